// The official SDKs of OpenAI, Anthropic and Ollama against the real node, each over every provider: a
// pass must not depend on who answers.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createRequire } from 'node:module';
import { VendorServer } from '../peers/vendor_server.mjs';
import { Node } from './node.mjs';

const load = createRequire(process.env.AIEX_NODE_MODULES + '/');
const { default: OpenAI } = load('openai'), { default: Anthropic } = load('@anthropic-ai/sdk'), { Ollama } = load('ollama');
const VENDORS = ['provider_openai', 'provider_openai:responses', 'provider_anthropic', 'provider_ollama', 'provider_lmstudio'];
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const say = content => [{ role: 'user', content }], weather = 'call weather {"city":"Brno"}';
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
let vendor, node;

before(async () => {
  vendor = new VendorServer();
  const url = await vendor.listen();
  node = await new Node().start(vendor.env(), { ini: `[provider_openai:responses]\nplugin = provider_openai\nresponses = yes\nbase_url = ${url}/v1\napi_key = sk-r\n` });
  const c = new OpenAI({ baseURL: node.url + '/v1', apiKey: 'k', maxRetries: 2 });
  for (const v of VENDORS)
    await node.until(async () => { try { return (await c.chat.completions.create({ model: v + '/scripted-large', messages: say('say up') })).choices[0].message.content === 'up'; } catch { return false; } }, v);
});
after(async () => {
  vendor?.close();
  if (node) assert.deepEqual(await node.stop(), { code: 0, signal: null });
});
const sent = () => vendor.log.at(-1);

for (const v of VENDORS) {
  const model = v + '/scripted-large';

  describe(`OpenAI's SDK over ${v}`, () => {
    const tools = [{ type: 'function', function: { name: 'weather', description: 'd', parameters: schema } }];
    let c;
    before(() => { c = new OpenAI({ baseURL: node.url + '/v1', apiKey: 'k', maxRetries: 0 }); });

    test('a chat, and the same streamed', async () => {
      const r = await c.chat.completions.create({ model, messages: say('say hello there') });
      assert.equal(r.choices[0].message.content, 'hello there');
      assert.match(r._request_id, /^[0-9a-f]{16}$/);
      const s = c.chat.completions.stream({ model, messages: say('say one two'), stream_options: { include_usage: true } });
      const done = await s.finalChatCompletion();
      assert.equal(done.choices[0].message.content, 'one two');
      assert.ok(done.usage.total_tokens > 0);
    });
    test('tools to the end', async () => {
      let asked;
      const run = c.chat.completions.runTools({ model, stream: true, messages: say(weather), tools: [{ type: 'function', function: { ...tools[0].function, parse: JSON.parse, function: a => { asked = a; return 'sunny'; } } }] });
      assert.equal(await run.finalContent(), 'done');
      assert.deepEqual(asked, { city: 'Brno' });
    });
    test('responses: text, stream, function call', async () => {
      assert.equal((await c.responses.create({ model, input: 'say hello' })).output_text, 'hello');
      const s = c.responses.stream({ model, input: weather, tools: [{ type: 'function', strict: false, ...tools[0].function }] });
      const r = await s.finalResponse();
      const call = r.output.find(o => o.type === 'function_call');
      assert.deepEqual(JSON.parse(call.arguments), { city: 'Brno' });
      const next = await c.responses.create({ model, input: [{ role: 'user', content: weather }, call, { type: 'function_call_output', call_id: call.call_id, output: 'sunny' }], tools: [{ type: 'function', strict: false, ...tools[0].function }] });
      assert.equal(next.output_text, 'done');
    });
    test('responses: state is kept for previous_response_id', async () => {
      const first = await c.responses.create({ model, input: 'say remember me' });
      const second = await c.responses.create({ model, input: 'seen', previous_response_id: first.id });
      assert.ok(second.output_text.includes('remember me'), second.output_text);
      assert.equal((await c.responses.retrieve(first.id)).id, first.id);
      await c.responses.delete(first.id);
      await assert.rejects(c.responses.retrieve(first.id), OpenAI.NotFoundError);
    });
    test('images reach the vendor', async () => {
      await c.chat.completions.create({ model, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,' + pixel } }, { type: 'text', text: 'say seen' }] }] });
      assert.ok(JSON.stringify(sent().body).includes(pixel));
    });
    test('structured output is asked for', async () => {
      await c.chat.completions.create({ model, messages: say('say {"city":"Brno"}'), response_format: { type: 'json_schema', json_schema: { name: 'place', strict: true, schema } } });
      assert.ok(JSON.stringify(sent().body).includes('"city"'));
    });
    test('unknown keys never hurt', async () =>
      assert.equal((await c.chat.completions.create({ model, messages: say('say fine'), something_new: { a: [1] }, verbosity: 'low' })).choices[0].message.content, 'fine'));
    test('errors have their class', async () => {
      const one = script => c.chat.completions.create({ model, messages: say(script) });
      await assert.rejects(one('status 400'), OpenAI.BadRequestError);
      await assert.rejects(one('context'), OpenAI.BadRequestError);
      await assert.rejects(async () => { for await (const _ of await c.chat.completions.create({ model, stream: true, messages: say('cut 3') })); }, OpenAI.APIError);
    });
  });

  describe(`Anthropic's SDK over ${v}`, () => {
    const tools = [{ name: 'weather', description: 'd', input_schema: schema }], max_tokens = 300;
    let c;
    before(() => { c = new Anthropic({ baseURL: node.url, apiKey: 'k', maxRetries: 0 }); });

    test('a message, and the same streamed', async () => {
      assert.equal((await c.messages.create({ model, max_tokens, messages: say('say hello there') })).content[0].text, 'hello there');
      const m = await c.messages.stream({ model, max_tokens, messages: say('say 🐎 kůň') }).finalMessage();
      assert.equal(m.content[0].text, '🐎 kůň');
      assert.ok(m.usage.output_tokens > 0);
    });
    test('tools to the end', async () => {
      const m = await c.messages.stream({ model, max_tokens, tools, messages: say(weather) }).finalMessage();
      const use = m.content.find(b => b.type === 'tool_use');
      assert.equal(m.stop_reason, 'tool_use');
      assert.deepEqual(use.input, { city: 'Brno' });
      const next = await c.messages.create({ model, max_tokens, tools, messages: [...say(weather), { role: 'assistant', content: m.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'sunny' }] }] });
      assert.equal(next.content[0].text, 'done');
    });
    test('tokens are counted', async () => assert.ok((await c.messages.countTokens({ model, messages: say('hello') })).input_tokens > 0));
    test('system prompt and images reach the vendor', async () => {
      await c.messages.create({ model, max_tokens, system: [{ type: 'text', text: 'be terse', cache_control: { type: 'ephemeral' } }], messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } }, { type: 'text', text: 'say seen' }] }] });
      assert.ok(JSON.stringify(sent().body).includes(pixel) && JSON.stringify(sent().body).includes('be terse'));
    });
    test('errors have their class', async () => {
      await assert.rejects(c.messages.create({ model, max_tokens, messages: say('status 400') }), e => e instanceof Anthropic.BadRequestError && e.error.error.type === 'invalid_request_error');
      await assert.rejects(c.messages.stream({ model, max_tokens, messages: say('cut 3') }).finalMessage(), Anthropic.APIError);
    });
  });

  describe(`Ollama's SDK over ${v}`, () => {
    const tools = [{ type: 'function', function: { name: 'weather', description: 'd', parameters: schema } }];
    let c;
    before(() => { c = new Ollama({ host: node.url }); });

    test('a chat, and the same streamed', async () => {
      assert.equal((await c.chat({ model, messages: say('say hello') })).message.content, 'hello');
      let text = '', done;
      for await (const k of await c.chat({ model, stream: true, messages: say('say a b c') })) { text += k.message.content; done = k.done; }
      assert.equal(text, 'a b c');
      assert.ok(done);
    });
    test('tools to the end', async () => {
      const r = await c.chat({ model, messages: say(weather), tools });
      assert.deepEqual(r.message.tool_calls[0].function.arguments, { city: 'Brno' });
      const next = await c.chat({ model, tools, messages: [...say(weather), r.message, { role: 'tool', tool_name: 'weather', content: 'sunny' }] });
      assert.equal(next.message.content, 'done');
    });
    test('generate', async () => {
      let text = '';
      for await (const k of await c.generate({ model, prompt: 'say x y', stream: true })) text += k.response;
      assert.equal(text, 'x y');
    });
    test('a cut raises', async () => {
      await assert.rejects(async () => { for await (const _ of await c.chat({ model, stream: true, messages: say('cut 3') })); });
    });
  });
}

for (const v of ['provider_openai', 'provider_ollama', 'provider_lmstudio']) {
  test(`embeddings in both forms, and fill-in-the-middle, over ${v}`, async () => {
    const model = v + '/scripted-large', c = new OpenAI({ baseURL: node.url + '/v1', apiKey: 'k', maxRetries: 0 }), o = new Ollama({ host: node.url });
    for (const encoding_format of ['float', 'base64', undefined]) {
      const r = await c.embeddings.create({ model, input: ['a', 'bcd'], encoding_format });
      const numbers = r.data.map(d => typeof d.embedding === 'string' ? [...new Float32Array(Uint8Array.from(Buffer.from(d.embedding, 'base64')).buffer)] : d.embedding);
      assert.deepEqual(numbers, [[1, 0.5, -1.25], [3, 0.5, -1.25]], `${encoding_format}`);
    }
    assert.deepEqual((await o.embed({ model, input: ['ab'] })).embeddings, [[2, 0.5, -1.25]]);
    assert.equal((await c.completions.create({ model, prompt: 'say x = 1', suffix: 'end' })).choices[0].text, 'x = 1<end>');
    assert.equal((await o.generate({ model, prompt: 'say x = 1', suffix: 'end' })).response, 'x = 1<end>');
  });
}

test('lists of models in every vendor\'s form', async () => {
  const ids = [];
  for await (const m of new OpenAI({ baseURL: node.url + '/v1', apiKey: 'k' }).models.list()) ids.push(m.id);
  assert.ok(ids.includes('scripted-large'));
  const listed = await new Anthropic({ baseURL: node.url, apiKey: 'k' }).models.list();
  assert.ok(listed.data.some(m => m.id === 'scripted-large' && m.type === 'model'));
  const o = new Ollama({ host: node.url });
  assert.ok((await o.list()).models.some(m => m.name === 'scripted-large'));
  assert.ok((await o.show({ model: 'scripted-large' })).capabilities.includes('tools'));
  assert.ok((await o.version()).version);
  assert.equal((await fetch(node.url, { method: 'HEAD' })).status, 200);
});

test('the keys of vendors stay with their providers', () => {
  for (const e of vendor.log) {
    assert.ok(!String(e.auth).includes('Bearer k') && e.auth !== 'k', 'a client\'s key went out');
    if (e.path === '/v1/messages') assert.equal(e.auth, 'sk-ant-secret');
  }
});
