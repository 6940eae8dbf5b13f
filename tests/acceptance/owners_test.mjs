// Streams, tables and epochs that belong to a plugin: with the configuration as it is shipped nobody else writes to them, the
// plugins themselves do as before, checkpoints put them back, and the list can be changed while everything runs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node } from './node.mjs';

const node = new Node(), other = new Node();

before(async () => {
  await node.start();
  await other.start();
});
after(async () => {
  assert.deepEqual(await node.stop(), { code: 0, signal: null });
  assert.deepEqual(await other.stop(), { code: 0, signal: null });
});

async function good(at, ...args) {
  const r = await at.aiex(...args);
  assert.equal(r.code, 0, `${args.join(' ')}: ${r.stdout}${r.stderr}`);
  return r.stdout;
}

const append = (at, stream, id) => at.aiexIn(JSON.stringify({ type: 'test.made', id, data: { a: 1 } }) + '\n', 'events', 'append', stream);
const history = async (at, stream) => (await good(at, 'events', 'read', stream, '--json')).trim().split('\n').filter(Boolean).map(l => JSON.parse(l));
const plugin = async (at, name) => JSON.parse(await good(at, 'plugin', 'list', '--json')).find(p => p.name === name);

async function denied(r, what, whose) {
  assert.notEqual(r.code, 0);
  assert.match(r.stdout + r.stderr, /denied/);
  assert.match(r.stdout + r.stderr, new RegExp(`${what} belongs to [^;]*${whose}[^;]* and not to 'host.control'; who shall write to it is named in option owner\\.[a-z]+ of store_bdb`));
}

async function configured(at, lines) {
  fs.writeFileSync(path.join(at.dir, 'conf.d/91-owners.ini'), lines ? `[store_bdb]\n${lines}\n` : '');
  await good(at, 'config', 'reload');
}

test('what plugins keep is theirs, the rest is everybody\'s', async () => {
  await good(node, 'key', 'create', 'first');
  for (const [stream, whose] of [['gateway/keys', 'service_gateway'], ['gateway/limits', 'service_gateway'], ['gateway/requests', 'service_gateway'], ['templates', 'service_templates'], ['session/x', 'service_sessions'], ['host/config', 'service_recorder'], ['checkpoint/restores', 'service_checkpoints']])
    await denied(await append(node, stream, `x-${stream}`), `stream '${stream}'`, whose);
  for (const [table, whose] of [['session', 'service_sessions'], ['session_owner', 'service_sessions'], ['context_entry', 'service_context'], ['llm_interaction', 'service_context'], ['responses', 'service_responses'], ['responses.piece', 'service_responses'], ['projection.session_usage', 'service_projections']])
    await denied(await node.aiex('call', 'store', 'store.transact', JSON.stringify({ operations: [{ op: 'put', table, key: 'a2V5', value: 'dg==' }] })), `table '${table}'`, whose);
  await denied(await node.aiex('call', 'store', 'store.erase', '{"stream": "gateway/keys"}'), 'stream \'gateway/keys\'', 'service_gateway');
  await denied(await node.aiex('call', 'store', 'store.compact', '{"stream": "gateway/keys", "keep_from": 2}'), 'stream \'gateway/keys\'', 'service_gateway');
  const before = await history(node, 'gateway/keys');
  assert.deepEqual(before.map(e => e.type), ['pepper.set', 'key.created']);
  assert.equal((await append(node, 'free', 'free-1')).code, 0);
});

test('the plugins write as before', async () => {
  await good(node, 'key', 'create', 'second', '--rpm', '60');
  assert.equal((await history(node, 'gateway/keys')).length, 3);
  await good(node, 'call', 'gateway', 'gateway.limit_set', JSON.stringify({ local: true, scope: 'user', name: 'ann', rpm: 7 }));
  await good(node, 'call', 'templates', 'templates.put', JSON.stringify({ name: 'greet', text: 'hello {{who}}' }));
  await good(node, 'session', 'create', '--title', 'mine');
  assert.equal(JSON.parse(await good(node, 'session', 'list', '--json')).length, 1);
  await node.until(async () => (await node.aiex('call', 'sessions', 'sessions.status', '{}')).code === 0, 'the sessions');
  for (const name of ['service_gateway', 'service_templates', 'service_sessions', 'service_context', 'service_responses', 'service_projections', 'service_recorder', 'service_checkpoints'])
    assert.equal((await plugin(node, name)).state, 'up', name);
  assert.doesNotMatch(fs.readFileSync(node.log, 'utf8').split('\n').filter(l => !l.includes('host.control')).join('\n'), /belongs to/);
});

test('the list changes while the store runs, and with its start', async () => {
  await configured(node, 'owner.mine = streams=mine/* for=service_mine');
  await node.until(async () => (await append(node, 'mine/x', 'mine-1')).code !== 0, 'the new list');
  await denied(await append(node, 'mine/x', 'mine-1'), 'stream \'mine/x\'', 'service_mine');
  await denied(await append(node, 'gateway/keys', 'x'), 'stream \'gateway/keys\'', 'service_gateway');
  const was = (await plugin(node, 'store_bdb')).pid;
  process.kill(was, 'SIGKILL');
  await node.until(async () => { const p = await plugin(node, 'store_bdb'); return p.state === 'up' && p.pid !== was; }, 'another cell', 30000);
  await denied(await append(node, 'mine/x', 'mine-1'), 'stream \'mine/x\'', 'service_mine');
  await configured(node, 'owner.mine = streams=mine/* for=service_mine,host.control');
  await node.until(async () => (await append(node, 'mine/x', 'mine-1')).code === 0, 'the changed list');
  // a list that is wrong: that of before holds
  fs.writeFileSync(path.join(node.dir, 'conf.d/91-owners.ini'), '[store_bdb]\nowner.mine = streams=mine/*\n');
  await node.aiex('config', 'reload');
  await node.until(() => /owner\.mine says not for whom/.test(fs.readFileSync(node.log, 'utf8')), 'a line about it');
  assert.equal((await append(node, 'mine/x', 'mine-2')).code, 0);
  await denied(await append(node, 'gateway/keys', 'x'), 'stream \'gateway/keys\'', 'service_gateway');
  await configured(node, 'owner.mine =');
  assert.equal((await append(node, 'mine/x', 'mine-3')).code, 0);
  assert.equal((await history(node, 'mine/x')).length, 3);
});

test('a checkpoint puts back what belongs to others', async () => {
  await good(node, 'checkpoint', 'create', 'one');
  const file = path.join(node.dir, 'one.checkpoint');
  await good(node, 'checkpoint', 'export', 'one', file);
  await good(other, 'checkpoint', 'import', file);
  // where it is no owner it ends with a clear word, and does the rest when it has become one
  await configured(other, 'owner.templates = streams=templates for=service_templates\nowner.sign = streams=sign for=service_sign');
  let turn = 0;
  await node.until(async () => (await append(other, 'sign', `sign-${turn++}`)).code !== 0, 'the list');
  const no = await other.aiex('checkpoint', 'restore', 'one');
  assert.notEqual(no.code, 0);
  assert.match(no.stderr, /stream 'templates' belongs to service_templates and not to 'service_checkpoints'; .*owner\.templates of store_bdb.*denied/);
  assert.equal((await history(other, 'templates')).length, 0);
  await configured(other, '');
  await node.until(async () => (await append(other, 'sign', `sign-${turn++}`)).code === 0, 'the list of before');
  const done = await other.aiex('checkpoint', 'restore', 'one');
  // the recorder has kept these reloads, so host/config has another history here; all else comes
  assert.match(done.stderr, /: 1 conflicts: /);
  assert.match(done.stdout, /host\/config  it has other events here/);
  assert.deepEqual((await history(other, 'gateway/keys')).map(e => e.id), (await history(node, 'gateway/keys')).map(e => e.id));
  assert.deepEqual((await history(other, 'templates')).map(e => e.id), (await history(node, 'templates')).map(e => e.id));
  await good(node, 'checkpoint', 'restore', 'one');
});

test('an import says what it may not write, and leaves it out when told so', async () => {
  const third = new Node();
  await third.start();
  try {
    const lines = await good(node, 'events', 'export');
    const no = await third.aiexIn(lines, 'events', 'import');
    assert.notEqual(no.code, 0);
    assert.match(no.stdout, /"error":"denied"/);
    assert.match(no.stderr, /was not sent\. --skip-denied imports all but what is denied/);
    const some = await third.aiexIn(lines, 'events', 'import', '--skip-denied', '--json');
    assert.equal(some.code, 0, some.stdout + some.stderr);
    const told = JSON.parse(some.stdout.trim().split('\n').at(-1));
    assert.equal(told.failed, 0);
    assert.equal(told.left_out['gateway/keys'], 3);
    assert.equal(told.left_out.templates, 1);
    assert.equal((await history(third, 'mine/x')).length, 3);
    assert.equal((await history(third, 'gateway/keys')).filter(e => e.type === 'key.created').length, 0);
  } finally {
    assert.deepEqual(await third.stop(), { code: 0, signal: null });
  }
});
