// Where requests go, through the HTTP door: aliases, fallbacks by reason, breaker, hedge, cache, limits
// upstream; and the same over TLS, with the provider's key out of the vault.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { VendorServer } from '../peers/vendor_server.mjs';
import { ask, clients } from './ask.mjs';
import { Node } from './node.mjs';

const NAMES = Object.keys(clients);
let first, second, node;

const ini = () => `
[provider_openai]
first_token_timeout = 1500ms
first_byte_timeout = 1500ms
[provider_openai:second]
plugin = provider_openai
base_url = http://127.0.0.1:${second.port}/v1
api_key = sk-2
[provider_openai:flapping]
plugin = provider_openai
base_url = http://127.0.0.1:${first.port}/v1
api_key = sk-3
[provider_openai:narrow]
plugin = provider_openai
base_url = http://127.0.0.1:${second.port}/v1
api_key = sk-4
[service_coordinator]
fallback = none
retry_pause = 10ms
retry_budget = 1000
attempts = 1
breaker_failures = 10
breaker_open = 300ms
breaker_wait = 0s
alias.pair = provider_openai/scripted-large, provider_openai:second/scripted-large | attempts=2
alias.tools = provider_openai/scripted-large if not tools, provider_openai:second/scripted-large if tools
alias.hasty = provider_openai/scripted-large, provider_openai:second/scripted-large | hedge=100ms
alias.cached = provider_openai:second/scripted-large | cache=on
alias.lone = provider_openai/scripted-large
alias.flap = provider_openai:flapping/scripted-small
alias.narrow = provider_openai:narrow/scripted-large
fallback.lone.context_length = wide
alias.wide = provider_openai:second/scripted-large
limit.provider_openai.narrow = concurrency=1
`;
const seen = server => server.log.length;

before(async () => {
  first = new VendorServer({ name: 'first' });
  second = new VendorServer({ name: 'second' });
  await first.listen();
  await second.listen();
  node = await new Node().start(first.env(), { ini: ini() });
  for (const m of ['lone', 'wide', 'flap', 'narrow'])
    await node.until(async () => (await ask(node.url, 'chat', { model: m, script: 'say up' })).text === 'up', m);
});
after(async () => {
  first?.close();
  second?.close();
  if (node) assert.deepEqual(await node.stop(), { code: 0, signal: null });
});

test('an alias goes on to its next target before the first piece, in every dialect', async () => {
  for (const name of NAMES)
    for (const stream of [true, false]) {
      const r = await ask(node.url, name, { model: 'pair', script: 'only first status 500', stream });
      assert.ok(r.clean && r.broken === undefined, r.raw);
      assert.equal(r.text, 'from another');
    }
});

test('conditions choose by what a request needs', async () => {
  const a = seen(first), b = seen(second);
  const r = await ask(node.url, 'anthropic', { model: 'tools', script: 'say plain' });
  assert.equal(r.text, 'plain');
  assert.equal(seen(first), a + 1, (await node.aiex('route', 'show', r.headers.get('x-request-id'))).stdout);
  assert.ok((await ask(node.url, 'anthropic', { model: 'tools', script: 'call weather {"city":"Brno"}', tools: true })).tool);
  assert.equal(seen(second), b + 1);
});

test('a prompt that is too long goes where the fallback says', async () => {
  const b = seen(second), r = await ask(node.url, 'chat', { model: 'lone', script: 'context' });
  assert.equal(seen(second), b + 1, 'the other provider was asked');
  assert.equal(r.status, 400, 'and said the same');
  assert.match(r.error.message, /context/);
});

test('a slow provider is hedged', async () => {
  const at = Date.now(), r = await ask(node.url, 'responses', { model: 'hasty', script: 'only first slow 1400', stream: true });
  assert.ok(r.clean, r.raw);
  assert.equal(r.text, 'from another', 'who answered first');
  assert.ok(Date.now() - at < 1400, 'sooner than the slow one');
  await node.until(() => first.log.findLast(e => e.script === 'slow').gone, 'the loser to be cancelled');
});

test('equal requests are answered from the cache, in the dialect they came in', async () => {
  for (const name of NAMES)
    for (const stream of [true, false]) {
      const script = `say cached ${name} ${stream}`, one = await ask(node.url, name, { model: 'cached', script, stream }), at = seen(second);
      const two = await ask(node.url, name, { model: 'cached', script, stream });
      assert.equal(two.text, one.text);
      assert.ok(two.clean && two.broken === undefined, two.raw);
      assert.equal(seen(second), at, `${name}: the vendor was not asked again`);
      if (!stream) assert.equal(two.headers.get('x-aiex-cached'), 'exact');
    }
});

test('a flapping provider: the breaker opens, probes, closes', async () => {
  const state = async () => JSON.parse((await node.aiex('call', 'coordinator', 'coordinator.status')).stdout).providers.find(p => p.name === 'provider_openai:flapping').breaker;
  for (let i = 0; i < 10; i++) assert.equal((await ask(node.url, 'chat', { model: 'flap', script: 'status 500' })).status, 500);
  assert.equal(await state(), 'open');
  const at = seen(first), refused = await ask(node.url, 'anthropic', { model: 'flap', script: 'say x' });
  assert.equal(refused.status, 503);
  assert.equal(seen(first), at, 'nothing went out while it was open');
  await node.until(async () => (await ask(node.url, 'chat', { model: 'flap', script: 'say back' })).text === 'back', 'a probe to pass');
  assert.equal(await state(), 'closed');
  for (let i = 0; i < 12; i++) assert.equal((await ask(node.url, 'chat', { model: 'flap', script: 'status 400' })).status, 400);
  assert.equal(await state(), 'closed', 'a client\'s faults never open it');
});

test('a limit of one at a time is a queue, not a refusal', async () => {
  const all = await Promise.all(Array.from({ length: 6 }, (_, i) => ask(node.url, NAMES[i % 4], { model: 'narrow', script: 'slow 50' })));
  assert.ok(all.every(r => r.clean), 'all are answered');
  const mine = second.log.filter(e => e.script === 'slow' && e.auth === 'Bearer sk-4');
  assert.equal(mine.length, 6);
  for (let i = 1; i < mine.length; i++) assert.ok(mine[i].at >= mine[i - 1].closed - 1, 'one after the other');
});

test('TLS for clients, and a provider\'s key out of the vault', async () => {
  const dir = fs.mkdtempSync(path.join(node.dir, 'tls-')), pem = n => path.join(dir, n);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', pem('key.pem'), '-out', pem('cert.pem'), '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' });
  const other = await new Node().start(first.env(), { listen: 'tls:', ini: `tls_cert = file:${pem('cert.pem')}\ntls_key = file:${pem('key.pem')}\n` }), port = other.port;
  try {
    const get = p => new Promise((done, no) => https.get({ host: '127.0.0.1', port, path: p, ca: fs.readFileSync(pem('cert.pem')) }, r => { let s = ''; r.on('data', d => s += d); r.on('end', () => done({ status: r.statusCode, text: s })); }).on('error', no));
    assert.equal((await get('/healthz')).status, 200);
    await assert.rejects(fetch(`https://127.0.0.1:${port}/healthz`), 'a certificate that nobody trusts is refused by the client');
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 400, 'plain HTTP on a TLS port is told so');
    const set = await other.aiexIn('sk-from-the-vault', 'secret', 'set', 'openai');
    assert.equal(set.code, 0, set.stderr);
    fs.appendFileSync(path.join(other.dir, 'conf.d', '90-test.ini'), '[provider_openai]\napi_key = secret:openai\n');
    const reload = await other.aiex('config', 'reload');
    assert.equal(reload.code, 0, reload.stdout + reload.stderr);
    await node.until(() => first.log.some(e => e.auth === 'Bearer sk-from-the-vault') || get('/v1/models').then(() => other.aiex('ask', '--model', 'provider_openai/scripted-large', 'say vault')).then(() => false), 'the key of the vault');
    assert.ok(!fs.readFileSync(path.join(other.data, 'secrets')).includes('sk-from-the-vault'));
    assert.ok(!fs.readFileSync(other.log, 'utf8').includes('sk-from-the-vault'));
  } finally {
    assert.deepEqual(await other.stop(), { code: 0, signal: null });
  }
});
