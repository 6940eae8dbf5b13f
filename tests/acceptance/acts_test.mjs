// Every class of acts through the door that its user has (HTTP, shell, a changed configuration, kill -9): it
// stands in the audit log with who, what and outcome. And what becomes of each class while the log is dead,
// stopped, or its disk full: refused within a second where it must be recorded, else recorded afterwards.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { verify } from '../peers/audit_verifier.mjs';
import { VendorServer } from '../peers/vendor_server.mjs';
import { ask } from './ask.mjs';
import { Node } from './node.mjs';

const model = 'provider_openai/scripted-large';
const base = '[service_coordinator]\nfallback = none\nprice.scripted = for=scripted-* input=1 output=2\n';
const me = `uid:${process.getuid()}`;
let vendor;

before(async () => {
  vendor = new VendorServer();
  await vendor.listen();
});
after(() => vendor.close());

async function start(ini = '') {
  const node = await new Node().start(vendor.env(), { ini: base + ini });
  await node.until(async () => (await ask(node.url, 'chat', { model, script: 'say up' })).text === 'up', 'the provider');
  return node;
}
async function good(node, ...args) {
  const r = await node.aiex(...args);
  assert.equal(r.code, 0, `aiex ${args.join(' ')}: ${r.stdout}${r.stderr}`);
  return r.stdout;
}
const gateway = async (node, method, body = {}) => JSON.parse(await good(node, 'call', 'gateway', method, JSON.stringify({ local: true, ...body })));
const chat = (node, script, key, more) => ask(node.url, 'chat', { model, script, headers: { ...(key && { authorization: `Bearer ${key}` }), ...more } });
const entries = async (node, type) =>
  (await good(node, 'audit', 'log', '--json', ...(type ? ['--type', type] : []))).split('\n').filter(Boolean).map(l => JSON.parse(l));
// The entries of a type that `holds` is true for, once there are some.
async function found(node, type, holds = () => true) {
  let list;
  await node.until(async () => (list = (await entries(node, type)).filter(holds)).length > 0, `an entry '${type}'`);
  return list;
}
const pidOf = async (node, name) => JSON.parse(await good(node, 'plugin', 'list', '--json')).find(p => p.name === name).pid;

// ---- Each act once ------------------------------------------------------------------------------------

test('every class of acts is in the log, with who, what and outcome', async t => {
  const node = await start();
  const secret = 'not-to-be-seen-anywhere';
  let created;

  await t.test('model calls, good and refused', async () => {
    const [e] = await found(node, 'model.call');
    assert.deepEqual([e.writer, e.actor, e.subject], ['service_ledger', 'open', model]);
    assert.deepEqual([e.payload.input_tokens, e.payload.output_tokens, e.payload.cost, e.payload.code, e.payload.interface],
      [5, 1, 7, undefined, 'interface_http']);
    assert.equal(e.payload.id, e.correlation);
    assert.equal((await chat(node, 'status 400')).status, 400);
    assert.equal((await found(node, 'model.call', x => x.payload.code)).at(-1).payload.code, 'invalid');
    assert.equal(await good(node, 'ask', '-m', model, 'say hello'), 'hello');
    assert.equal((await found(node, 'model.call', x => x.actor === 'local'))[0].payload.interface, 'interface_cli');
  });

  await t.test('keys: made, used, unknown, revoked', async () => {
    created = await gateway(node, 'gateway.key_create', { name: 'bob' });
    assert.deepEqual((await found(node, 'key.create'))[0].subject, 'bob');
    const [made] = await found(node, 'key.created');
    assert.deepEqual([made.writer, made.actor, made.subject, made.payload.name], ['service_gateway', 'local', created.id, 'bob']);
    assert.equal((await chat(node, 'say in', created.key)).text, 'in');
    const [came] = await found(node, 'auth.accepted');
    assert.deepEqual([came.actor, came.subject, came.payload.address], [created.id, 'interface_http', '127.0.0.1']);
    await found(node, 'model.call', e => e.actor === created.id);
    const wrong = 'ak-' + '0123456789'.repeat(4) + 'abc';
    assert.equal((await chat(node, 'say x', wrong)).status, 401);
    const [failed] = await found(node, 'auth.failed');
    assert.deepEqual([failed.actor, failed.payload.tried, failed.payload.address], ['unknown', wrong.slice(0, 8), '127.0.0.1']);
    await gateway(node, 'gateway.key_revoke', { id: created.id });
    assert.equal((await found(node, 'key.revoked'))[0].subject, created.id);
    assert.equal((await chat(node, 'say x', created.key)).status, 401);
    assert.equal((await found(node, 'auth.failed', e => e.actor === created.id))[0].payload.why, 'revoked');
    assert.ok(!(await good(node, 'audit', 'export')).includes(Buffer.from(created.key.slice(10)).toString('base64').slice(2, -4)));
  });

  await t.test('configuration: what changed, by whom, and what was refused', async () => {
    const file = path.join(node.dir, 'conf.d/91.ini');
    fs.writeFileSync(file, '[service_ledger]\nkeep_days = 30\n');
    await good(node, 'config', 'reload');
    const changed = e => Object.keys(e.payload.changed).length > 0;
    const [e] = await found(node, 'config.reloaded', changed);
    assert.deepEqual([e.writer, e.actor, e.payload.changed], ['host', me, { service_ledger: 'options: keep_days' }]);
    await found(node, 'config.reload', x => x.actor === me);
    fs.writeFileSync(file, '[service_ledger]\nkeep_days = nonsense\n');
    assert.notEqual((await node.aiex('config', 'reload')).code, 0);
    assert.deepEqual((await found(node, 'config.reload.failed'))[0].payload, { errors: 1 });
    fs.rmSync(file);
    node.child.kill('SIGHUP');
    await found(node, 'config.reloaded', x => x.actor === 'signal' && changed(x));
  });

  await t.test('secrets: set, given to a plugin, removed; never their values', async () => {
    const r = await node.aiexIn(secret, 'secret', 'set', 'vendor');
    assert.equal(r.code, 0, r.stderr);
    assert.deepEqual((await found(node, 'secret.changed')).map(e => [e.actor, e.subject]), [[me, 'vendor']]);
    const file = path.join(node.dir, 'conf.d/91.ini');
    fs.writeFileSync(file, '[provider_openai]\napi_key = secret:vendor\n');
    await good(node, 'config', 'reload');
    const [e] = await found(node, 'secret.opened');
    assert.deepEqual([e.writer, e.actor, e.subject, e.payload], ['host', 'provider_openai', 'vendor', { option: 'api_key' }]);
    fs.rmSync(file);
    await good(node, 'config', 'reload');
    await good(node, 'secret', 'list');
    await found(node, 'secret.list');
  });

  await t.test('a word that a method does not know makes no preview of it', async () => {
    await good(node, 'call', 'host', 'host.secret_list', '{"dry_run":true}');
    await node.until(async () => (await entries(node, 'secret.list')).length === 2, 'the second list');
  });

  await t.test('plugins: started, killed, started again, replaced, refused', async () => {
    const [up] = await found(node, 'plugin.up', e => e.subject === 'service_templates');
    assert.equal(typeof up.payload.sandbox_missing, 'string');
    process.kill(await pidOf(node, 'service_templates'), 'SIGKILL');
    const [again] = await found(node, 'plugin.up', e => e.subject === 'service_templates' && e.seq > up.seq);
    assert.match(again.payload.last_exit, /SIGKILL/);
    await good(node, 'plugin', 'reload', 'service_templates');
    assert.equal((await found(node, 'plugin.replaced'))[0].actor, me);
    assert.notEqual((await node.aiex('plugin', 'load', 'service_nonesuch')).code, 0);
    await found(node, 'plugin.load.failed');
  });

  await t.test('data: read, backed up', async () => {
    await good(node, 'events', 'backup', 'first');
    assert.deepEqual((await found(node, 'data.backed_up')).map(e => [e.actor, e.subject]), [[me, 'first']]);
    await good(node, 'checkpoint', 'create', 'c1');
    await good(node, 'checkpoint', 'restore', 'c1', '--dry-run');
    await good(node, 'checkpoint', 'export', 'c1', path.join(node.dir, 'c1.file'));
    assert.deepEqual((await found(node, 'data.exported')).map(e => [e.actor, e.subject]), [[me, 'c1']]);
    assert.deepEqual((await found(node, 'data.checkpointed')).map(e => e.subject), ['c1']);
    assert.equal((await entries(node, 'data.restore*')).length, 0);
    await node.aiex('events', 'read', 'some-stream');
    assert.equal((await found(node, 'data.read'))[0].actor, me);
    await good(node, 'call', 'store', 'store.append', '{"stream":"odd/one","events":[{"id":"e1","type":"x"}],"dry_run":true}');
    assert.deepEqual((await found(node, 'data.append')).map(e => [e.actor, e.subject]), [[me, 'odd/one']]);
    await node.aiex('call', 'responses', 'responses.get', '{"id":"resp_1","principal":{"key":"local"}}');
    assert.equal((await found(node, 'response.read'))[0].subject, 'resp_1');
    assert.notEqual((await node.aiex('call', 'sessions', 'sessions.get', '{"session":"nobody"}')).code, 0);
    assert.equal((await found(node, 'session.read.failed'))[0].subject, 'nobody');
    // where was searched is told, not for what: an entry's subject can not be taken back
    await good(node, 'context', 'search', '--project', 'shop', 'jane-doe-of-room-7');
    assert.equal((await found(node, 'context.read')).at(-1).subject, 'shop');
    assert.ok(!(await good(node, 'audit', 'export')).includes('jane-doe'));
  });

  await t.test('data: written by operators, counted once a second for each stream', async () => {
    const begun = Date.now(), lines = n => Array.from({ length: n }, (_, i) => JSON.stringify({ type: 't', data: { i } })).join('\n') + '\n';
    const r = await node.aiexIn(lines(3000), 'events', 'append', 'notes');
    assert.equal(r.code, 0, r.stderr);
    const pair = JSON.stringify([{ stream: 'left', type: 't', data: {} }, { stream: 'right', type: 't', data: {} }, { stream: 'right', type: 't', data: {} }]);
    assert.equal((await node.aiexIn(pair + '\n', 'events', 'append', 'left')).code, 0);
    assert.notEqual((await node.aiexIn(lines(2), 'events', 'append', 'notes', '--expect', 'none')).code, 0);
    const sum = (list, stream, what) => list.filter(e => e.subject === stream).reduce((n, e) => n + e.payload[what], 0);
    let list;
    await node.until(async () => (list = await entries(node, 'data.append'), sum(list, 'notes', 'failed') > 0), 'the refused ones');
    assert.deepEqual([sum(list, 'notes', 'count'), sum(list, 'notes', 'failed'), sum(list, 'left', 'count'), sum(list, 'right', 'count')], [3000, 2, 1, 2]);
    assert.ok(list.every(e => e.actor === me && e.writer === 'host'));
    assert.ok(list.filter(e => e.subject === 'notes').length <= 2 + (Date.now() - begun) / 1000, 'one a second at most');
  });

  await t.test('a session of another: who asked, and how often', async () => {
    const key = async (name) => (await gateway(node, 'gateway.key_create', { name, user: name })).key;
    const [ann, eve] = [await key('ann'), await key('eve')];
    const made = await chat(node, 'say mine', ann, { 'x-aiex-session': 'new' });
    const session = made.headers.get('x-aiex-session');
    assert.ok(session, 'a session');
    for (let i = 0; i < 5; i++)
      assert.equal((await chat(node, 'say x', eve, { 'x-aiex-session': session })).status, 404);
    const [e, ...more] = await found(node, 'session.denied');
    assert.deepEqual([e.writer, e.subject, e.payload.user, e.payload.count], ['service_sessions', session, 'eve', 1]);
    assert.deepEqual(more, [], 'the others are counted until the minute is over');
  });

  await t.test('the log itself: read, verified, redacted, exported, its key changed', async () => {
    const [{ seq }] = await entries(node, 'auth.failed');
    const before = JSON.parse(await good(node, 'audit', 'head', '--json')).key;
    await good(node, 'audit', 'redact', String(seq), '--reason', 'art. 17');
    assert.equal((await entries(node, 'auth.failed'))[0].redacted, true);
    assert.deepEqual((await found(node, 'audit.redacted')).map(e => [e.actor, e.redacts]), [[me, seq]]);
    const { key } = JSON.parse(await good(node, 'audit', 'rotate-key', '--reason', 'yearly', '--json'));
    assert.notEqual(key, before);
    assert.deepEqual((await found(node, 'audit.key_rotated')).map(e => [e.writer, e.actor, e.subject, e.reason]), [['audit', me, key, 'yearly']]);
    await good(node, 'audit', 'verify');
    await found(node, 'audit.verified');
    const file = path.join(node.dir, 'export.jsonl');
    await good(node, 'audit', 'export', file);
    await found(node, 'audit.exported');
    for (const k of [before, key])
      await good(node, 'audit', 'verify', file, '--key', k);
    const text = fs.readFileSync(file, 'utf8');
    assert.deepEqual(verify(text, { key }), [], 'a verifier that knows nothing of former keys');
    assert.ok(verify(text, { key: before }).length > 0, 'the former key alone vouches for the begin only');
    assert.ok(!text.includes(secret) && !text.includes(Buffer.from(secret).toString('base64').slice(0, -4)));
  });

  await t.test('reports have acts in every section, or say who would tell them', async () => {
    const day = new Date().toISOString().slice(0, 10);
    for (const shape of ['soc2', 'gdpr']) {
      const r = JSON.parse(await good(node, 'audit', 'report', '--shape', shape, '--from', day, '--json'));
      for (const c of r.controls) assert.ok(c.entries > 0, `${shape} ${c.id}: no acts`);
      assert.equal(r.faults, 0);
      const none = ['audit', 'report', '--shape', shape, '--from', '2020-01-01', '--to', '2020-01-02'];
      const empty = JSON.parse(await good(node, ...none, '--json'));
      assert.ok(empty.controls.every(c => c.entries === 0 && c.told_by.length > 0));
      assert.equal((await good(node, ...none)).match(/no entries in this period; told by ./g).length, r.controls.length);
      assert.equal((await good(node, ...none, '--format', 'csv')).match(/,"none","",0,,\r\n/g).length, r.controls.length);
    }
  });

  assert.deepEqual(await node.stop(), { code: 0, signal: null });
});

test('appends that must be recorded are asked for one by one, and not counted', async () => {
  const node = await start('[audit_chain]\nmust = data.append\n');
  const line = JSON.stringify({ type: 't', data: {} }) + '\n';
  assert.equal((await node.aiexIn(line.repeat(3), 'events', 'append', 'notes')).code, 0);
  const list = await found(node, 'data.append', e => e.subject === 'notes');
  assert.deepEqual(list.map(e => [e.actor, e.payload]), Array(3).fill([me, undefined]));
  assert.deepEqual(await node.stop(), { code: 0, signal: null });
});

// ---- The log takes nothing -----------------------------------------------------------------------------

const ways = {
  killed: {
    ini: 'restart = temporary\n',
    async begin(node) {
      process.kill(await pidOf(node, 'audit_chain'), 'SIGKILL');
      await node.until(async () => (await node.aiex('call', 'audit', 'audit.health')).code !== 0, 'its end');
    },
  },
  stopped: {
    ini: 'hang = 1h\n',
    async begin(node, pid) { process.kill(pid, 'SIGSTOP'); },
    async end(node, pid) { process.kill(pid, 'SIGCONT'); },
  },
  full: {
    ini: '',
    async begin(node, pid) {
      execFileSync('prlimit', ['--pid', String(pid), '--fsize=1:unlimited']);
    },
    async end(node, pid) { execFileSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:unlimited']); },
  },
};
const doors = {
  'key.create': n => n.aiex('call', 'gateway', 'gateway.key_create', '{"local":true,"name":"eve"}'),
  'config.reload': n => n.aiex('config', 'reload'),
  'secret.list': n => n.aiex('secret', 'list'),
  'plugin.replace': n => n.aiex('plugin', 'reload', 'service_templates'),
  'data.backup': n => n.aiex('events', 'backup', 'second'),
};

for (const [how, way] of Object.entries(ways))
  for (const must of [true, false])
    test(`the log is ${how}; acts ${must ? 'must' : 'may'}`, async () => {
      const list = must ? 'key.* config.* secret.* plugin.* data.* model.call' : 'nothing';
      const node = await start(`[audit_chain]\nmust = ${list}\n${way.ini}`);
      const pid = await pidOf(node, 'audit_chain');
      await found(node, 'model.call');
      const before = (await entries(node, 'model.call')).length;
      await way.begin(node, pid);
      for (const [type, act] of Object.entries(doors)) {
        const from = Date.now(), r = await act(node), took = Date.now() - from;
        assert.equal(r.code, must ? 4 : 0, `${type}: ${r.stdout}${r.stderr}`);
        if (must) assert.match(r.stderr, /not recorded: .*\(read_only\)/, type);
        assert.ok(took < (must ? 1500 : 3000), `${type} took ${took} ms`);
      }
      if (must) { // noticed within 1.4 s; then every request is refused at once
        let r;
        await node.until(async () => (r = await chat(node, 'say no')).status !== 200, 'requests to be refused', 5000);
        assert.equal(r.status, 503, r.raw);
        assert.match(r.error.message, /must be recorded in the audit log/);
      } else {
        assert.equal(await good(node, 'ask', '-m', model, 'say yes'), 'yes');
      }
      if (way.end) {
        await way.end(node, pid);
        await node.until(async () => (await node.aiex('ask', '-m', model, 'say back')).stdout === 'back', 'requests to go on');
        await node.until(async () => (await node.aiex('secret', 'list')).code === 0, 'acts to go on');
        await found(node, 'model.call', e => e.seq > before);
        if (must) {
          for (const type of Object.keys(doors)) assert.equal((await found(node, `${type}.refused`)).length, 1, type);
          assert.ok(!(await gateway(node, 'gateway.key_list')).keys.some(k => k.name === 'eve'));
        } else {
          for (const type of ['key.created', 'config.reloaded', 'plugin.replaced', 'data.backed_up']) await found(node, type);
          const ids = (await entries(node, 'model.call')).map(e => e.payload.id);
          assert.equal(new Set(ids).size, ids.length, 'each once');
        }
        await good(node, 'audit', 'verify');
      }
      assert.deepEqual(await node.stop(), { code: 0, signal: null });
    });

test('what waits for a stopped log survives an upgrade of the host, each act once', async () => {
  const node = await start('[audit_chain]\nhang = 1h\n');
  const pid = await pidOf(node, 'audit_chain');
  await found(node, 'model.call');
  process.kill(pid, 'SIGSTOP');
  await node.aiex('call', 'sessions', 'sessions.get', '{"session":"x"}');
  await good(node, 'upgrade');
  process.kill(pid, 'SIGCONT');
  await found(node, 'host.started', e => e.subject === 'upgraded');
  for (const type of ['session.read', 'session.read.failed', 'host.upgrade', 'host.upgraded'])
    assert.equal((await found(node, type)).length, 1, type);
  await good(node, 'audit', 'verify');
  assert.deepEqual(await node.stop(), { code: 0, signal: null });
});
