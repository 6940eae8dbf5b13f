// The product's own state as events of the store - keys, limits, templates, asynchronous requests,
// what the configuration changed: whatever is killed, away or lost, it goes on and nothing that was
// acknowledged is missing; and `aiex events read` shows who did what.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ask } from './ask.mjs';
import { Node } from './node.mjs';

const node = new Node();
const only = ['00-host.ini', '10-resolver.ini', '25-provider-offline.ini', '28-service-gateway.ini', '30-coordinator.ini', '32-ledger.ini', '34-templates.ini', '35-prices.ini', '38-store.ini', '39-recorder.ini', '40-interface-http.ini', '50-interface-cli.ini'];

before(async () => {
  await node.start({}, { only, http: true, ini: '[service_gateway]\naudit = none\n' });
});
after(async () => {
  assert.deepEqual(await node.stop(), { code: 0, signal: null });
});

const say = async key => (await ask(node.url, 'chat', { model: 'offline', script: 'say x', headers: key ? { authorization: `Bearer ${key}` } : {} })).status;
const key = (method, body = {}) => node.aiex('call', 'gateway', `gateway.${method}`, JSON.stringify({ local: true, ...body }));

async function good(method, body) {
  const r = await key(method, body);
  assert.equal(r.code, 0, `${method}: ${r.stderr}`);
  return r.stdout.trim() ? JSON.parse(r.stdout) : {};
}

async function history(stream) {
  const r = await node.aiex('events', 'read', stream, '--json');
  assert.equal(r.code, 0, r.stderr);
  return r.stdout.trim().split('\n').filter(Boolean).map(l => JSON.parse(l));
}

const plugin = async name => JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout).find(p => p.name === name);

async function kill(...names) {
  const before = await Promise.all(names.map(plugin));
  for (const pid of new Set(before.map(p => p.pid))) process.kill(pid, 'SIGKILL');
  return async () => {
    for (const p of before)
      await node.until(async () => { const now = await plugin(p.name); return now.state === 'up' && now.pid !== p.pid; }, `another cell of ${p.name}`, 30000);
  };
}

async function fine() {
  await node.until(async () => { const r = await key('status'); return r.code === 0 && JSON.parse(r.stdout).store === ''; }, 'the gateway to have its store', 30000);
}

test('the history says who did what, and no secret', async () => {
  assert.equal(await say(), 200);
  const made = await good('key_create', { name: 'first', user: 'ann', rpm: 60 });
  await good('key_set', { id: made.id, team: 'red' });
  const next = await good('key_rotate', { id: made.id, grace_ms: 0 });
  await good('limit_set', { scope: 'team', name: 'red', rpm: 1000 });
  assert.equal(await say(made.key), 401);
  assert.equal(await say(next.key), 200);
  await good('key_revoke', { id: made.id });
  assert.equal(await say(next.key), 401);
  assert.equal(await say(), 401);
  const events = await history('gateway/keys');
  assert.deepEqual(events.map(e => e.type), ['pepper.set', 'key.created', 'key.changed', 'key.rotated', 'key.revoked']);
  for (const e of events.slice(1)) {
    assert.equal(e.data.id, made.id);
    assert.deepEqual([e.data.by, e.data.caller], ['local', 'host.control']);
    assert.ok(e.time > 1e12 && e.correlation, JSON.stringify(e));
  }
  assert.equal(events[2].data.team, 'red');
  const [limit] = await history('gateway/limits');
  assert.deepEqual([limit.type, limit.data.scope, limit.data.name, limit.data.rpm], ['limit.set', 'team', 'red', 1000]);
  const all = JSON.stringify(events);
  for (const secret of [made.key, next.key]) assert.ok(!all.includes(secret) && !all.includes(secret.slice(12, 40)));
});

test('killed together at any moment, nothing that was acknowledged is lost', async () => {
  const keys = [];
  for (let round = 0; round < 6; round++) {
    const made = [];
    const creating = Array.from({ length: 6 }, async (_, i) => {
      const r = await key('key_create', { name: `r${round}-${i}` });
      if (r.code === 0) made.push(JSON.parse(r.stdout));
    });
    if (round % 2) await creating[0];
    const there = await kill(...[['service_gateway'], ['store_bdb'], ['service_gateway', 'store_bdb']][round % 3]);
    await Promise.all(creating);
    keys.push(...made);
    await there();
    await fine();
    for (const k of keys) assert.equal(await say(k.key), 200);
    if (keys.length > 1) {
      const gone = keys.pop();
      await good('key_revoke', { id: gone.id });
      assert.equal(await say(gone.key), 401);
    }
  }
  assert.ok(keys.length, 'some were acknowledged');
  const listed = (await good('key_list')).keys;
  const events = await history('gateway/keys');
  assert.deepEqual(events.map(e => e.version), events.map((_, i) => i + 1));
  for (const k of listed) assert.equal(events.filter(e => e.type === 'key.created' && e.data.id === k.id).length, 1);
  assert.equal(new Set(listed.map(k => k.id)).size, events.filter(e => e.type === 'key.created').length);
});

test('without the store keys work and can not be changed', async () => {
  const made = await good('key_create', { name: 'alone' });
  assert.equal((await node.aiex('plugin', 'remove', 'store_bdb')).code, 0);
  assert.equal(await say(made.key), 200);
  await (await kill('service_gateway'))();
  assert.equal(await say(made.key), 200);
  assert.equal(await say(), 401);
  const no = await key('key_revoke', { id: made.id });
  assert.notEqual(no.code, 0);
  assert.match(no.stderr, /nothing was changed: .*store/);
  assert.match(JSON.parse((await key('status')).stdout).store, /gateway\/keys/);
  assert.equal(await say(made.key), 200);
  const loaded = await node.aiex('config', 'reload');
  assert.equal(loaded.code, 0, loaded.stderr);
  await fine();
  await good('key_revoke', { id: made.id });
  assert.equal(await say(made.key), 401);
});

test('a lost data folder comes again from the store', async () => {
  const made = await good('key_create', { name: 'kept', user: 'ann' }), gone = await good('key_create', { name: 'gone' });
  await good('key_revoke', { id: gone.id });
  await good('limit_set', { scope: 'user', name: 'ann', rpm: 77 });
  const before = (await good('key_list')).keys.map(k => [k.id, k.name, k.revoked]);
  const folder = path.join(node.data, 'plugins/service_gateway');
  assert.deepEqual(fs.readdirSync(folder).sort(), ['keys', 'pepper']);
  for (const f of fs.readdirSync(folder)) fs.rmSync(path.join(folder, f));
  await (await kill('service_gateway'))();
  await fine();
  assert.equal(await say(made.key), 200);
  assert.equal(await say(gone.key), 401);
  assert.deepEqual((await good('key_list')).keys.map(k => [k.id, k.name, k.revoked]), before);
  assert.equal((await good('limit_list')).limits.find(l => l.name === 'ann').rpm, 77);
});

test('templates: killed, without their folder, without the store', async () => {
  const call = async (method, body) => { const r = await node.aiex('call', 'templates', `templates.${method}`, JSON.stringify(body)); return r.code === 0 ? JSON.parse(r.stdout || '{}') : { error: r.stderr }; };
  const render = async () => (await call('render', { name: 'greet', values: { who: 'ann' } })).text;
  assert.deepEqual(await call('put', { name: 'greet', text: 'hello {{who}}' }), { version: 1 });
  assert.deepEqual(await call('put', { name: 'greet', text: 'good day, {{who}}' }), { version: 2 });
  assert.deepEqual(await call('put', { name: 'gone', text: 'x' }), { version: 1 });
  assert.equal((await call('remove', { name: 'gone' })).error, undefined);
  const events = await history('templates');
  assert.deepEqual(events.map(e => [e.type, e.data.name, e.data.caller]), [['template.put', 'greet', 'host.control'], ['template.put', 'greet', 'host.control'], ['template.put', 'gone', 'host.control'], ['template.removed', 'gone', 'host.control']]);
  await (await kill('service_templates', 'store_bdb'))();
  assert.equal(await render(), 'good day, ann');
  fs.rmSync(path.join(node.data, 'plugins/service_templates/templates.log'));
  await (await kill('service_templates'))();
  assert.equal(await render(), 'good day, ann');
  assert.match((await call('show', { name: 'gone' })).error, /no template/);
  assert.equal((await node.aiex('plugin', 'remove', 'store_bdb')).code, 0);
  await (await kill('service_templates'))();
  assert.equal(await render(), 'good day, ann');
  assert.match((await call('put', { name: 'greet', text: 'x' })).error, /store.*unavailable/);
  assert.equal((await node.aiex('config', 'reload')).code, 0);
  await node.until(async () => (await call('put', { name: 'greet', text: 'hi {{who}}' })).version === 3, 'a third version', 20000);
  assert.equal(await render(), 'hi ann');
});

test('asynchronous requests have an outcome, whatever is killed', async () => {
  const submit = async () => (await good('submit', { method: 'gateway.chat', dialect: 'openai.chat', model: 'offline', body: JSON.stringify({ model: 'offline', messages: [{ role: 'user', content: 'hi' }] }) })).id;
  const poll = async (id, wait_ms = 0) => good('poll', { id, wait_ms });
  const id = await submit();
  const before = await poll(id, 20000);
  assert.equal(before.state, 'done');
  assert.ok(before.body.length > 10);
  // what is stored soon after the end
  await node.until(async () => (await history('gateway/requests')).some(e => e.type === 'request.ended' && e.data.id === id), 'its end');
  await (await kill('service_gateway', 'store_bdb'))();
  await fine();
  await node.until(async () => (await poll(id)).state === 'done', 'what was done to be known');
  assert.deepEqual((await poll(id)).body, before.body);
  const ids = [];
  for (let i = 0; i < 8; i++) ids.push(await submit());
  await (await kill('service_gateway'))();
  await fine();
  for (const one of ids) {
    let p;
    await node.until(async () => (p = await poll(one, 5000)).state !== 'running', `the outcome of ${one}`, 40000);
    assert.ok(p.state === 'done' || p.code === 'crashed', JSON.stringify(p));
  }
});

test('what the configuration changed, and how jobs ended, is kept', async () => {
  const conf = path.join(node.dir, 'conf.d/91-more.ini');
  const data = async stream => (await history(stream)).map(e => [e.type, e.data.subject, e.data.data]);
  fs.writeFileSync(conf, '[service_templates]\nmax_versions = 77\n[settings]\nmood = fine\n[job:look]\ncron = 0 0 1 1 *\nservice = templates\nmethod = templates.list\n');
  assert.equal((await node.aiex('config', 'reload')).code, 0);
  let seen;
  await node.until(async () => (seen = await data('host/config')).some(([, s]) => s === 'service_templates'), 'the change', 20000);
  const options = seen.findLast(([type, subject]) => type === 'options' && subject === 'service_templates');
  assert.match(options[2].text, /max_versions = 77/);
  assert.match(seen.findLast(([type, subject]) => type === 'changed' && subject === 'settings')[2].text, /^mood = fine$/m);
  assert.equal((await node.aiex('job', 'run', 'look')).code, 0);
  await node.until(async () => (await data('host/job')).some(([type, s]) => type === 'done' && s === 'look'), 'the run', 20000);
  const before = await history('host/config');
  await (await kill('service_recorder', 'store_bdb'))();
  fs.rmSync(conf);
  assert.equal((await node.aiex('config', 'reload')).code, 0);
  await node.until(async () => (await history('host/config')).length > before.length, 'the change back', 20000);
});

test('replaced while keys are made: two processes for a moment, one truth', async () => {
  const made = [];
  let over = false;
  const making = (async () => { while (!over) { const r = await key('key_create', { name: `swap${made.length}` }); assert.equal(r.code, 0, r.stderr); made.push(JSON.parse(r.stdout)); } })();
  for (let i = 0; i < 3; i++) {
    await node.until(() => made.length > i * 3, 'a key');
    assert.equal((await node.aiex('plugin', 'reload', 'service_gateway')).code, 0);
  }
  over = true;
  await making;
  await fine();
  for (const k of made) assert.equal(await say(k.key), 200);
  await (await kill('service_gateway'))();
  await fine();
  for (const k of made) assert.equal(await say(k.key), 200);
});
