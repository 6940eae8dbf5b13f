// Keys, limits, money and records through the doors that users have: HTTP for clients, `aiex` for the
// operator; and what is left of them when any cell of the path is killed under load.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { VendorServer } from '../peers/vendor_server.mjs';
import { ask } from './ask.mjs';
import { Node } from './node.mjs';

const model = 'provider_openai/scripted-large';
// Dollars per million tokens that make a micro-dollar a token: 1 for the prompt, 2 for the answer.
const ini = '[service_coordinator]\nbreaker_failures = 0\nbreaker_percent = 0\nprice.scripted = for=scripted-* input=1 output=2\nfallback = none\n[service_ledger]\nstore_interval = 500ms\n';
let vendor, node;

before(async () => {
  vendor = new VendorServer();
  await vendor.listen();
  node = await new Node().start(vendor.env(), { ini });
  await node.until(async () => (await ask(node.url, 'chat', { model, script: 'say up' })).text === 'up', 'the provider');
});
after(async () => {
  vendor?.close();
  if (node) assert.deepEqual(await node.stop(), { code: 0, signal: null });
});

async function call(service, method, body = {}) {
  const r = await node.aiex('call', service, method, JSON.stringify({ local: true, ...body }));
  assert.equal(r.code, 0, `${method}: ${r.stderr}`);
  return JSON.parse(r.stdout);
}
const bearer = key => ({ authorization: `Bearer ${key}` });
const spent = async id => (await call('gateway', 'gateway.key_list')).keys.find(k => k.id === id);
const records = async key => {
  const rows = (await call('ledger', 'ledger.report', { by: 'key' })).rows;
  return rows.find(r => r.key === key) ?? { requests: 0, cost: 0 };
};

test('without a key everything works at once; with one, keys are demanded', async () => {
  assert.equal((await ask(node.url, 'chat', { model, script: 'say open' })).text, 'open');
  const { id, key } = await call('gateway', 'gateway.key_create', { name: 'first' });
  assert.match(key, /^ak-[A-Za-z0-9_-]{43}$/);
  for (const dialect of ['chat', 'responses', 'anthropic', 'ollama']) {
    const no = await ask(node.url, dialect, { model, script: 'say x' });
    assert.equal(no.status, 401, `${dialect}: ${no.raw}`);
    assert.equal(no.broken, undefined);
    for (const headers of [bearer(key), { 'x-api-key': key }])
      assert.equal((await ask(node.url, dialect, { model, script: 'say in', headers })).text, 'in');
  }
  const next = await call('gateway', 'gateway.key_rotate', { id, grace_ms: 0 });
  assert.equal((await ask(node.url, 'chat', { model, script: 'say x', headers: bearer(key) })).status, 401);
  assert.equal((await ask(node.url, 'chat', { model, script: 'say new', headers: bearer(next.key) })).text, 'new');
  await call('gateway', 'gateway.key_revoke', { id });
  assert.equal((await ask(node.url, 'chat', { model, script: 'say x', headers: bearer(next.key) })).status, 401);
});

test('a key may use its models only, at its rate', async () => {
  const { key } = await call('gateway', 'gateway.key_create', { name: 'narrow', models: ['scripted-small'], rpm: 2 });
  const one = m => ask(node.url, 'anthropic', { model: m, script: 'say x', headers: bearer(key) });
  assert.equal((await one('scripted-large')).status, 403);
  assert.equal((await one('scripted-small')).status, 200);
  assert.equal((await one('scripted-small')).status, 200);
  const third = await one('scripted-small');
  assert.equal(third.status, 429);
  assert.ok(Number(third.headers.get('retry-after')) > 0, 'how long to wait is said');
});

test('money: what was used is what is billed, streams and cancelled ones too', async () => {
  const { id, key } = await call('gateway', 'gateway.key_create', { name: 'money', budget_day: 1e6 });
  const headers = bearer(key);
  for (const dialect of ['chat', 'responses', 'anthropic', 'ollama'])
    for (const stream of [false, true])
      assert.equal((await ask(node.url, dialect, { model, script: 'say one two three', headers, stream })).text, 'one two three');
  // eight answers: 5 tokens in at 1, 3 out at 2
  await node.until(async () => (await spent(id)).spent_day === 8 * 11, 'the bill of eight requests');
  await node.until(async () => (await records(id)).cost === 8 * 11, 'their records');
  const abort = new AbortController();
  await ask(node.url, 'chat', { model, script: 'count 100000', headers, stream: true, signal: abort.signal }, t => { if (t.includes('"content":"90 ')) abort.abort(); }).catch(() => 0);
  await node.until(async () => (await spent(id)).spent_day > 8 * 11 + 100, 'the bill of a cancelled stream');
  assert.ok((await spent(id)).spent_day < 8 * 11 + 20000, 'no more than was produced');
});

test('a budget that is used up stops the next request, not the first', async () => {
  const { key } = await call('gateway', 'gateway.key_create', { name: 'poor', budget_day: 5000 });
  const one = () => ask(node.url, 'chat', { model, script: 'say ' + 'w '.repeat(900), headers: bearer(key), body: b => ({ ...b, max_tokens: 1000 }) });
  assert.equal((await one()).status, 200);
  let last;
  await node.until(async () => (last = await one()).status !== 200, 'the end of the money', 20000);
  assert.equal(last.status, 402, last.raw);
  assert.ok(last.error.message.includes('budget'), last.raw);
});

const plugin = async name => JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout).find(p => p.name === name);

async function killed(name) {
  const { pid } = await plugin(name);
  process.kill(pid, 'SIGKILL');
  await node.until(async () => { const now = await plugin(name); return now.state === 'up' && now.pid !== pid; }, `another cell of ${name}`);
}

test('money that was spent stays spent when the ledger loses its folder', async () => {
  const { id, key } = await call('gateway', 'gateway.key_create', { name: 'spender', budget_day: 3000 });
  const one = () => ask(node.url, 'chat', { model, script: 'say ' + 'w '.repeat(900), headers: bearer(key), body: b => ({ ...b, max_tokens: 1000 }) });
  assert.equal((await one()).status, 200);
  const told = async () => {
    const r = await node.aiex('events', 'read', 'ledger/money', '--json');
    return r.stdout.trim().split('\n').filter(Boolean).flatMap(l => JSON.parse(l).data.spent).filter(row => row[2] === 'key' && row[3] === id).at(-1)?.[4];
  };
  await node.until(async () => (await told()) === (await records(id)).cost, 'the store to know it', 30000);
  const { cost } = await records(id);
  const folder = path.join(node.data, 'plugins/service_ledger');
  for (const f of fs.readdirSync(folder)) fs.rmSync(path.join(folder, f));
  await killed('service_ledger');
  await killed('service_gateway');
  // a record of the last second may be sent to the new ledger, which does not know that it is counted
  await node.until(async () => (await spent(id)).spent_day >= cost, 'the gateway to know it');
  let last;
  await node.until(async () => (last = await one()).status !== 200, 'the end of the money', 20000);
  assert.equal(last.status, 402, last.raw);
});

test('each request has a record that says why', async () => {
  const r = await ask(node.url, 'anthropic', { model: 'scripted-small', script: 'say recorded', headers: bearer((await call('gateway', 'gateway.key_create', { name: 'seen', user: 'ann', team: 'red' })).key) });
  const id = r.headers.get('x-request-id');
  let record;
  await node.until(async () => { const a = await node.aiex('call', 'ledger', 'ledger.show', JSON.stringify({ id })); record = a.code === 0 && JSON.parse(a.stdout); return record; }, 'the record');
  assert.equal(record.principal.user, 'ann');
  assert.equal(record.dialect, 'anthropic.messages');
  assert.ok(record.provider && record.why && record.attempts.length === 1 && record.cost > 0, JSON.stringify(record));
});

test('kill -9 of any cell under load fails what it was running, and the bill stays right', async () => {
  const { id, key } = await call('gateway', 'gateway.key_create', { name: 'chaos', budget_day: 1e9 });
  const headers = bearer(key), dialects = ['chat', 'responses', 'anthropic', 'ollama'];
  for (const victim of ['provider_openai', 'service_coordinator', 'service_ledger', 'interface_http']) {
    let good = 0, bad = 0, running = true;
    const seen = [], why = {};
    const worker = async n => {
      for (let i = 0; running; i++) {
        try {
          const r = await ask(node.url, dialects[n % 4], { model, script: 'say a b c', headers, stream: i % 2 === 0 });
          if (r.clean) { assert.equal(r.text, 'a b c'); good++; continue; }
          bad++;
          why[r.error?.message] = (why[r.error?.message] ?? 0) + 1;
          if (!r.error?.message) seen.push(r.raw || 'nothing');
        } catch (e) {
          bad++;
          if (victim !== 'interface_http') seen.push(String(e.cause ?? e));
        }
      }
    };
    const before = (await records(id)).requests;
    const workers = Array.from({ length: 16 }, (_, n) => worker(n));
    await node.until(() => good > 100, 'load');
    const plugins = JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout);
    const pid = plugins.find(p => p.name === victim).pid;
    process.kill(pid, 'SIGKILL');
    const mark = good;
    await node.until(() => good > mark + 200, `${victim} to serve again`, 30000);
    running = false;
    await Promise.all(workers);
    assert.deepEqual(seen, [], `${victim}: failures without a clear error`);
    assert.ok(bad <= 16 * 3, `${victim}: ${bad} failed of ${good}: ${JSON.stringify(why)}`);
    // every good answer is billed once; of those that failed, at most once
    await node.until(async () => (await records(id)).requests >= before + good, `the records of ${victim}`);
    const after = await records(id);
    assert.ok(after.requests <= before + good + bad, `${victim}: ${after.requests - before} records for ${good} good and ${bad} failed`);
    await node.until(async () => (await spent(id)).spent_day === (await records(id)).cost, `${victim}: budget and ledger to agree`);
  }
});
