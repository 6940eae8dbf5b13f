// The official OpenAI SDK against the real node with a scripted model server behind it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createRequire } from 'node:module';
import { execFileSync, spawnSync } from 'node:child_process';
import { ModelServer } from '../peers/model_server.mjs';
import { Node } from './node.mjs';

const { default: OpenAI } = createRequire(process.env.AIEX_NODE_MODULES + '/')('openai');
const say = content => [{ role: 'user', content }];
const model = 'scripted-large';
let upstream, node, client, once;

// One provider that is made to fail on purpose: its breaker stays closed, and nobody waits for it long.
const ini = ['provider_anthropic', 'provider_ollama', 'provider_lmstudio'].map(p => `[${p}]\nenabled = no\n`).join('') +
  '[service_coordinator]\nbreaker_failures = 0\nbreaker_percent = 0\nretry_pause = 10ms\nretry_wait = 1s\n';

before(async () => {
  upstream = new ModelServer();
  node = await new Node().start({ OPENAI_BASE_URL: await upstream.listen(), OPENAI_API_KEY: 'sk-secret-of-the-test' },
    { ini });
  client = new OpenAI({ baseURL: node.url + '/v1', apiKey: 'client-key', maxRetries: 2 });
  once = new OpenAI({ baseURL: node.url + '/v1', apiKey: 'client-key', maxRetries: 0 });
  await node.until(async () => (await client.models.list()).data.some(m => m.id === model), 'the model list');
});
after(async () => {
  const how = await node.stop();
  upstream.close();
  assert.deepEqual(how, { code: 0, signal: null }, 'SIGTERM ends the host cleanly');
});

async function text(stream) {
  let all = '', pieces = 0, usage;
  for await (const k of stream) {
    all += k.choices[0]?.delta?.content ?? '';
    pieces++;
    usage = k.usage ?? usage;
  }
  return { all, pieces, usage };
}

test('models are listed and found by name', async () => {
  assert.ok((await client.models.list()).data.some(m => m.id === 'scripted-small'));
  assert.equal((await client.models.retrieve(model)).id, model);
  await assert.rejects(client.models.retrieve('no-such-model'), OpenAI.NotFoundError);
});

test('a chat is answered, with request id and the provider\'s key', async () => {
  const r = await client.chat.completions.create({ model, messages: say('say hello there') });
  assert.equal(r.choices[0].message.content, 'hello there');
  assert.equal(r.usage.total_tokens, 7);
  assert.match(r._request_id, /^[0-9a-f]{16}$/);
  assert.equal(upstream.log.at(-1).auth, 'Bearer sk-secret-of-the-test', 'the client\'s key stays here');
});

test('a chat is streamed in pieces, with usage only when asked for', async () => {
  const plain = await text(await client.chat.completions.create({ model, stream: true, messages: say('say one two three four') }));
  assert.equal(plain.all, 'one two three four');
  assert.ok(plain.pieces >= 5);
  assert.equal(plain.usage, undefined);
  const counted = await text(await client.chat.completions.create({ model, stream: true, stream_options: { include_usage: true }, messages: say('say one two') }));
  assert.ok(counted.usage.total_tokens > 0);
});

test('text of every script survives', async () => {
  const odd = 'žluťoučký kůň 🐎 漢字 "quoted" \\back\u2028 end';
  assert.equal((await text(await client.chat.completions.create({ model, stream: true, messages: say('say ' + odd) }))).all, odd);
});

test('tools are called to the end', async () => {
  let asked;
  const run = client.chat.completions.runTools({ model, stream: true, messages: say('call weather {"city":"Brno"}'),
    tools: [{ type: 'function', function: { name: 'weather', description: 'd', parse: JSON.parse, parameters: { type: 'object', properties: { city: { type: 'string' } } }, function: a => { asked = a; return 'sunny'; } } }] });
  assert.equal(await run.finalContent(), 'done');
  assert.deepEqual(asked, { city: 'Brno' });
});

test('errors of the provider reach the client as themselves', async () => {
  const ask = script => once.chat.completions.create({ model, messages: say(script) });
  await assert.rejects(ask('status 400'), OpenAI.BadRequestError);
  await assert.rejects(ask('status 429 2'), e => e instanceof OpenAI.RateLimitError && e.headers.get('retry-after') === '2');
  await assert.rejects(ask('status 500'), OpenAI.InternalServerError);
  await assert.rejects(ask('html'), OpenAI.InternalServerError);
  const r = await client.chat.completions.create({ model, messages: say('flaky a 2') });
  assert.equal(r.choices[0].message.content, 'recovered');
});

for (const fault of ['cut 3', 'broken 3', 'unended'])
  test(`a stream that is ${fault} does not end cleanly`, async () => {
    let finished = null;
    await assert.rejects(async () => {
      for await (const k of await once.chat.completions.create({ model, stream: true, messages: say(fault) }))
        finished = k.choices[0]?.finish_reason ?? finished;
    });
    assert.ok(fault === 'unended' || finished === null);
  });

test('a client that leaves closes the upstream request', async () => {
  const stop = new AbortController();
  let n = 0;
  try {
    for await (const _ of await client.chat.completions.create({ model, stream: true, messages: say('count 100000') }, { signal: stop.signal }))
      if (++n === 50) stop.abort();
  } catch { /* the abort */ }
  assert.ok(n >= 50 && n < 100000);
  await node.until(() => upstream.log.some(r => r.script === 'count' && r.gone), 'the upstream request to be closed');
});

test('64 streams at once are not mixed up', async () => {
  const all = await Promise.all(Array.from({ length: 64 }, async (_, i) =>
    (await text(await client.chat.completions.create({ model, stream: true, messages: say(`say stream number ${i} of many`) }))).all));
  all.forEach((t, i) => assert.equal(t, `stream number ${i} of many`));
});

test('a body of 8 MiB goes through', async () => {
  const r = await client.chat.completions.create({ model, messages: [{ role: 'system', content: 'x'.repeat(8 << 20) }, ...say('say big')] });
  assert.equal(r.choices[0].message.content, 'big');
});

test('a provider that crashes is back for the next request', async () => {
  const list = async () => JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout);
  const provider = (await list()).find(p => p.name === 'provider_openai');
  process.kill(provider.pid, 'SIGSEGV');
  const r = await client.chat.completions.create({ model, messages: say('say again') });
  assert.ok(r.choices[0].message.content.length > 0);
  await node.until(async () => (await list()).find(p => p.name === 'provider_openai').restarts === provider.restarts + 1, 'the restart to be counted');
  for (const p of await list())
    if (p.name !== 'provider_openai') assert.equal(p.restarts, 0, p.name);
});

test('health, readiness and metrics', async () => {
  assert.equal((await fetch(node.url + '/healthz')).status, 200);
  assert.equal((await fetch(node.url + '/readyz')).status, 200);
  const metrics = await (await fetch(node.url + '/metrics')).text();
  assert.match(metrics, /^aiex_plugin_up\{plugin="provider_openai"\} 1$/m);
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' });
  assert.equal(checked.status, 0, checked.stderr + checked.stdout);
});

test('the key is in no log, no status and no process list', async () => {
  const shown = (await node.aiex('config', 'show')).stdout + (await node.aiex('plugin', 'list', '--json')).stdout +
    execFileSync('ps', ['axww', '-o', 'args'], { encoding: 'utf8' }) + (await import('node:fs')).readFileSync(node.log, 'utf8');
  assert.ok(!shown.includes('sk-secret-of-the-test'));
});

test('aiex ask streams an answer; offline answers when nothing else can', async () => {
  const asked = await node.aiex('ask', '-m', model, 'say from the shell');
  assert.equal(asked.code, 0, asked.stderr);
  assert.equal(asked.stdout.trim(), 'from the shell');
  const offline = await client.chat.completions.create({ model: 'aiex-offline', messages: say('what is this?\n```c\nint twice(int x)\n{\n    return 2 * x;\n}\n```') });
  assert.match(offline.choices[0].message.content, /twice/);
  assert.equal(offline.aiex.offline, true);
});
