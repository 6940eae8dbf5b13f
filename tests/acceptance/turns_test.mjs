// One conversation through several doors: begun by a header of HTTP, continued by `aiex ask --session`,
// rolled back and forked in between, in every dialect; whose it is; and what happens to it when the
// sessions or the store are away.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { VendorServer } from '../peers/vendor_server.mjs';
import { ask } from './ask.mjs';
import { Node } from './node.mjs';

const model = 'provider_openai/scripted-large';
const only = ['00-host.ini', '20-provider-openai.ini', '28-service-gateway.ini', '30-coordinator.ini', '33-responses.ini', '35-prices.ini',
  '38-store.ini', '39-projections.ini', '39-sessions.ini', '40-interface-http.ini', '50-interface-cli.ini'];
const ini = `[service_projections]\nlook = 100ms\n[service_sessions]\nturn_timeout = 4s\nsweep = 1s\n[service_coordinator]\nbreaker_failures = 0\nbreaker_percent = 0\nfallback = none\n[interface_cli]\nmodel = ${model}\n`;
let vendor, node;

before(async () => {
  vendor = new VendorServer();
  await vendor.listen();
  node = await new Node().start(vendor.env(), { ini, only });
  await node.until(async () => (await ask(node.url, 'chat', { model, script: 'say up' })).text === 'up', 'the provider');
});
after(async () => {
  vendor?.close();
  if (node) assert.deepEqual(await node.stop(), { code: 0, signal: null });
});

async function call(service, method, fields = {}) {
  const r = await node.aiex('call', service, method, JSON.stringify(fields));
  assert.equal(r.code, 0, `${method}: ${r.stderr}`);
  return JSON.parse(r.stdout);
}

// The history as ROLE: TEXT, oldest first, as soon as it has n messages.
async function talk(session, n) {
  let all;
  await node.until(async () => {
    const h = await call('sessions', 'sessions.history', { session });
    all = h.events.filter(e => e.type === 'session.message').map(e => `${e.data.role}: ${e.data.content}${e.data.outcome ? ` (${e.data.outcome})` : ''}`).reverse();
    return all.length >= n;
  }, `${n} messages of ${session}: ${all}`);
  return all;
}

const header = (session, more) => ({ 'x-aiex-session': session, ...more });
const say = (name, session, script, q = {}) => ask(node.url, name, { model, script, ...q, headers: { ...header(session), ...q.headers } });
// The messages that the vendor was sent last.
const sent = r => JSON.parse(r.text).messages.filter(m => m.role !== 'system').map(m => `${m.role}: ${m.content}`);

test('begun by HTTP, continued by the shell, and the reverse', async () => {
  const first = await say('chat', 'new', 'say Ada', { headers: { 'x-aiex-session-title': 'Names' } });
  assert.equal(first.text, 'Ada');
  const id = first.headers.get('x-aiex-session');
  assert.match(id, /^[a-z2-7]{16}$/);
  assert.deepEqual(await talk(id, 2), ['user: say Ada', 'assistant: Ada']);
  const shell = await node.aiex('ask', '--session', 'Names', 'seen');
  assert.equal(shell.code, 0, shell.stderr);
  assert.deepEqual(sent({ text: shell.stdout }), ['user: say Ada', 'assistant: Ada', 'user: seen']);
  assert.equal((await talk(id, 4)).length, 4);
  const back = (await call('sessions', 'sessions.history', { session: id })).events.at(-2).version;
  const fork = (await node.aiex('session', 'fork', id)).stdout.trim();
  assert.equal((await node.aiex('session', 'rollback', id, String(back))).code, 0);
  const http = await say('chat', id, 'seen', { stream: true, headers: { 'x-aiex-history': 'send' } });
  assert.deepEqual(sent(http), ['user: say Ada', 'assistant: Ada', 'user: seen']);
  const forked = await say('anthropic', fork, 'say four', { headers: { 'x-aiex-history': 'send' } });
  assert.equal(forked.text, 'four');
  assert.equal((await talk(fork, 6)).at(-1), 'assistant: four');
  const made = await node.aiex('ask', '--session', 'new', '--json', 'say', 'Bob');
  const { session } = JSON.parse(made.stdout);
  const reply = await say('chat', session, 'seen', { headers: { 'x-aiex-history': 'send' } });
  assert.deepEqual(sent(reply), ['user: say Bob', 'assistant: Bob', 'user: seen']);
});

test('every dialect, whole and as a stream, is one conversation', async () => {
  const { session } = await call('sessions', 'sessions.create');
  let n = 0;
  for (const name of ['chat', 'responses', 'anthropic', 'ollama'])
    for (const stream of [false, true]) {
      const r = await say(name, session, `say ${name}${n}`, { stream, headers: { 'x-aiex-history': 'send' } });
      assert.equal(r.text, `${name}${n}`, r.raw);
      assert.deepEqual((await talk(session, 2 * n + 2)).slice(-2), [`user: say ${name}${n}`, `assistant: ${name}${n}`]);
      n++;
    }
  assert.equal(sent(await say('chat', session, 'seen', { headers: { 'x-aiex-history': 'send' } })).length, 2 * n + 1);
});

test('how it ended is recorded, and usage', async () => {
  const { session } = await call('sessions', 'sessions.create');
  await say('chat', session, 'cut 3', { stream: true });
  assert.match((await talk(session, 2))[1], /^assistant: .*\((cut|failed)\)$/);
  const leaving = new AbortController();
  const r = await fetch(node.url + '/v1/chat/completions', { method: 'POST', signal: leaving.signal, headers: { ...header(session), 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'stall 2' }] }) });
  await r.body.getReader().read();
  leaving.abort();
  assert.match((await talk(session, 4))[3], /\(cancelled\)$/);
  await say('chat', session, 'say done');
  await talk(session, 6);
  const last = (await call('sessions', 'sessions.history', { session })).events[0].data;
  assert.equal(last.model, 'scripted-large');
  assert.equal(last.provider, 'provider_openai');
  assert.deepEqual([last.usage.input_tokens > 0, last.usage.output_tokens > 0], [true, true]);
});

test('without the sessions and the store answers go on, and say so', async () => {
  const { session } = await call('sessions', 'sessions.create');
  await say('chat', session, 'say one');
  await talk(session, 2);
  assert.equal((await node.aiex('plugin', 'remove', 'service_sessions')).code, 0);
  const r = await say('chat', session, 'say two');
  assert.equal(r.text, 'two');
  assert.equal(r.headers.get('x-aiex-session-recorded'), 'no');
  assert.equal(r.headers.get('x-aiex-session'), null);
  const thin = await say('chat', session, 'say three', { headers: { 'x-aiex-history': 'send' } });
  assert.equal(thin.status, 503);
  const loaded = await node.aiex('plugin', 'load', `${node.dir}/conf.d/39-sessions.ini`);
  assert.equal(loaded.code, 0, JSON.stringify(loaded));
  await node.until(async () => (await node.aiex('call', 'sessions', 'sessions.get', JSON.stringify({ session }))).code === 0, 'the sessions');
  assert.equal((await say('chat', session, 'say four')).headers.get('x-aiex-session'), session);
  assert.deepEqual(await talk(session, 4), ['user: say one', 'assistant: one', 'user: say four', 'assistant: four']);
});

test('a store that is killed in the middle of an answer loses nothing of it', async () => {
  const { session } = await call('sessions', 'sessions.create');
  const asked = say('chat', session, 'count 300', { stream: true });
  await talk(session, 1);
  const plugins = JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout);
  process.kill(plugins.find(p => p.name === 'store_bdb').pid, 'SIGKILL');
  const r = await asked;
  assert.equal(r.clean, true);
  assert.equal((await talk(session, 2))[1], `assistant: ${r.text}`);
});

test('a question whose answer never came is marked', async () => {
  const { session } = await call('sessions', 'sessions.create');
  const open = say('chat', session, 'stall 2', { stream: true });
  await talk(session, 1);
  const { pid } = JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout).find(p => p.name === 'interface_http');
  process.kill(pid, 'SIGKILL');
  assert.equal((await open.catch(() => ({ clean: false }))).clean, false);
  assert.equal((await call('sessions', 'sessions.get', { session })).open_turns, 1);
  await node.until(async () => (await call('sessions', 'sessions.get', { session })).open_turns === 0, 'the sweep', 30000);
  assert.deepEqual((await call('sessions', 'sessions.history', { session })).events.map(e => e.type), ['session.turn_lost', 'session.message']);
  await node.until(async () => (await say('chat', session, 'say again').catch(() => ({}))).text === 'again', 'the interface', 30000);
  const next = await say('chat', session, 'seen', { headers: { 'x-aiex-history': 'send' } });
  assert.ok(!next.text.includes('stall'), next.text); // the client asks again, or not
});

test('a session is of the key that made it; for others it does not exist', async () => {
  const bearer = async user => ({ authorization: `Bearer ${(await call('gateway', 'gateway.key_create', { local: true, name: user, user })).key}` });
  const ann = await bearer('ann'), bob = await bearer('bob');
  const made = await say('chat', 'new', 'say hers', { headers: ann });
  const id = made.headers.get('x-aiex-session');
  await talk(id, 2);
  for (const name of ['chat', 'responses', 'anthropic', 'ollama']) {
    const other = await say(name, id, 'say stolen', { headers: bob }), nobody = await say(name, 'a2345672a2345672', 'say x', { headers: bob });
    assert.equal(other.status, 404, other.raw);
    assert.deepEqual(JSON.stringify(other.error).replaceAll(id, 'ID'), JSON.stringify(nobody.error).replaceAll('a2345672a2345672', 'ID'));
  }
  assert.equal((await say('chat', id, 'say more', { headers: ann })).text, 'more');
  assert.deepEqual(await talk(id, 4), ['user: say hers', 'assistant: hers', 'user: say more', 'assistant: more']);
});

/* ---- Stored responses ---- */

const respond = async (body, headers = {}) => {
  const r = await fetch(node.url + '/v1/responses', { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ model, ...body }) });
  return { status: r.status, body: await r.json() };
};
const stored = async (method, id, headers) => (await fetch(`${node.url}/v1/responses/${id}`, { method, headers })).status;
const rows = async table => (await node.aiex('call', 'store', 'store.range', JSON.stringify({ table }))).stdout;

test('a stored response outlives every process, is of one key, and is erased', async () => {
  const key = async user => ({ authorization: `Bearer ${(await call('gateway', 'gateway.key_create', { local: true, name: user, user })).key}` });
  const ann = await key('ann2'), bob = await key('bob2');
  const first = await respond({ input: 'say mysecret' }, ann);
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const id = first.body.id;
  assert.equal(await stored('GET', id, ann), 200);
  assert.equal(await stored('GET', id, bob), 404);
  assert.equal(await stored('DELETE', id, bob), 404);
  assert.equal((await respond({ input: 'seen', previous_response_id: id }, bob)).status, 400);
  for (const victims of [['service_responses'], ['store_bdb'], ['service_responses', 'store_bdb']]) {
    const plugins = JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout);
    for (const v of victims) process.kill(plugins.find(p => p.name === v).pid, 'SIGKILL');
    let next;
    await node.until(async () => (next = await respond({ input: 'seen', previous_response_id: id }, ann)).status === 200, `${victims}: ${JSON.stringify(next?.body)}`, 30000);
    const sent = JSON.parse(next.body.output[0].content[0].text), input = sent.input ?? sent.messages;
    assert.equal(input.length, 3);
    assert.match(JSON.stringify(input), /say mysecret.*mysecret.*seen/);
  }
  for (let i = 0; i < 6; i++) { // killed as soon as the client has the end
    const last = await respond({ input: `say kept${i}` }, ann);
    const all = JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout);
    for (const v of [['store_bdb'], ['service_responses'], ['store_bdb', 'service_responses']][i % 3]) process.kill(all.find(p => p.name === v).pid, 'SIGKILL');
    let next;
    await node.until(async () => (next = await respond({ input: 'seen', previous_response_id: last.body.id }, ann)).status !== 504, 'an answer', 30000);
    assert.equal(next.status, 200, JSON.stringify(next.body));
  }
  const mine = await rows('responses.piece');
  assert.ok(mine.includes(id + '/000'), mine.slice(0, 500));
  assert.equal(await stored('DELETE', id, ann), 200);
  assert.equal(await stored('GET', id, ann), 404);
  assert.ok(!(await rows('responses.piece')).includes(id + '/000'));
});

test('a response of megabytes is stored and continued', async () => {
  const headers = { authorization: `Bearer ${(await call('gateway', 'gateway.key_create', { local: true, name: 'big', user: 'big' })).key}` };
  const long = 'x'.repeat(5 << 20);
  const first = await respond({ input: [{ role: 'user', content: long }, { role: 'user', content: 'say ok' }] }, headers);
  assert.equal(first.status, 200, JSON.stringify(first.body).slice(0, 300));
  const next = await respond({ input: 'say fine', previous_response_id: first.body.id }, headers);
  assert.equal(next.status, 200, JSON.stringify(next.body).slice(0, 300));
  assert.ok(vendor.log.at(-1).body === undefined || JSON.stringify(vendor.log.at(-1).body).length > (5 << 20));
});

/* ---- The statistics, which are projected in a process of their own ---- */

test('usage of sessions is counted once, whatever is killed, and shown', async () => {
  const headers = { authorization: `Bearer ${(await call('gateway', 'gateway.key_create', { local: true, name: 'counted', user: 'counted' })).key}` };
  const first = await say('chat', 'new', 'say one', { headers }), id = first.headers.get('x-aiex-session');
  const usage = async () => JSON.parse((await node.aiex('session', 'usage', '--by', 'user,model', '--user', 'counted', '--json')).stdout || '[]');
  const answers = async n => node.until(async () => (await usage()).reduce((sum, r) => sum + r.answers, 0) >= n, `${n} answers`, 60000);
  await answers(1);
  const pid = async name => JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout).find(p => p.name === name).pid;
  for (const victim of ['service_projections', 'store_bdb', 'service_projections']) {
    process.kill(await pid(victim), 'SIGKILL');
    for (let i = 0; i < 3; i++) {
      let r;
      await node.until(async () => (r = await say('chat', id, 'say more', { headers })).headers.get('x-aiex-session') === id, 'a recorded answer', 30000);
      assert.equal(r.text, 'more');
    }
  }
  await answers(10);
  assert.equal((await node.aiex('projection', 'rebuild', 'session_usage')).code, 0);
  await node.until(async () => JSON.parse((await node.aiex('projection', 'list', '--json')).stdout).some(p => p.name === 'session_usage' && p.generation >= 2 && p.state === 'live' && p.lag === 0 && p.service === 'service_projections'), 'the new build', 60000);
  const rows = await usage();
  assert.deepEqual(rows.map(r => [r.user, r.model, r.messages, r.answers, r.failed]), [['counted', '', 10, 0, 0], ['counted', 'scripted-large', 10, 10, 0]]);
  assert.ok(rows[1].output_tokens >= 10 && rows[1].input_tokens >= 10, JSON.stringify(rows));
  assert.match((await node.aiex('session', 'usage', '--by', 'day')).stdout, /^DAY +MESSAGES/);
  const page = await (await fetch(node.url + '/metrics', { headers })).text();
  assert.match(page, /^aiex_projection_lag_events\{plugin="service_projections",projection="session_usage"\} 0$/m);
  assert.match(page, /^aiex_responses_kept\{plugin="service_responses"\} /m);
});
