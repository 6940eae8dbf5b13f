// What vendors do wrong, seen by clients of every dialect: the real node, a scripted vendor behind each
// kind of provider, and for each fault the outcome that a client may rely on. A broken answer is never
// a clean end; what fails before the first piece is a status in the client's dialect.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { VendorServer, bomb } from '../peers/vendor_server.mjs';
import { ask, clients } from './ask.mjs';
import { Node } from './node.mjs';

const VENDORS = ['provider_openai', 'provider_openai:responses', 'provider_anthropic', 'provider_ollama', 'provider_lmstudio'];
const NAMES = Object.keys(clients);
let vendor, node;

// Instances that give up soon, for the vendors that fall silent; all others wait as long as they do by default.
const BRIEF = VENDORS.map(v => v === 'provider_openai:responses' ? 'provider_openai:brief_responses' : v + ':brief');
const BASE = { provider_openai: '/v1', provider_anthropic: '', provider_ollama: '', provider_lmstudio: '/v1' };
const instance = (name, url, ...options) => {
  const plugin = name.split(':')[0];
  return [`[${name}]`, `plugin = ${plugin}`, `base_url = ${url}${BASE[plugin]}`, ...(plugin === 'provider_ollama' ? [] : ['api_key = sk-x']), ...(name.endsWith('responses') ? ['responses = yes'] : []), ...options, ''].join('\n');
};
const ini = url => [
  instance('provider_openai:limited', url),
  instance('provider_openai:responses', url),
  ...BRIEF.map(v => instance(v, url, 'first_token_timeout = 1500ms', 'first_byte_timeout = 1500ms', 'idle_timeout = 1500ms')),
  '[service_coordinator]\nretry_pause = 10ms\nbreaker_failures = 0\nbreaker_percent = 0\nretry_budget = 1000\nfallback = none\n'].join('\n');

before(async () => {
  bomb(); // takes a second to pack
  vendor = new VendorServer();
  const url = await vendor.listen();
  node = await new Node().start(vendor.env(), { ini: ini(url) });
  for (const v of [...VENDORS, ...BRIEF])
    await node.until(async () => (await ask(node.url, 'chat', { model: v + '/scripted-large', script: 'say up' })).text === 'up', v);
});
after(async () => {
  vendor?.close();
  if (node) assert.deepEqual(await node.stop(), { code: 0, signal: null }, 'SIGTERM ends the host cleanly');
});

// Every client over every provider, streamed and not, side by side.
function everywhere(title, script, check, { streams = [true, false], tools = false, vendors = VENDORS } = {}) {
  test(title, async t => {
    await Promise.all(vendors.flatMap(v => NAMES.flatMap(name => streams.map(async stream => {
      const r = await ask(node.url, name, { model: v + '/scripted-large', script, stream, tools });
      const where = `${name} over ${v}${stream ? ', streamed' : ''}: ${r.status} ${r.raw.slice(-600)}`;
      assert.equal(r.broken, undefined, where);
      check(r, where, { stream, name, v });
    }))));
  });
}

const failed = status => (r, where) => {
  assert.ok([].concat(status).includes(r.status), where);
  assert.ok(r.error?.message, where);
  assert.equal(r.clean, false, where);
};
// Something may have been streamed already: then an error event, else a status.
const neverClean = (r, where, { stream }) => {
  assert.equal(r.clean, false, where);
  assert.ok(r.error?.message, where);
  if (!stream) assert.ok(r.status >= 500, where);
};

everywhere('a good answer is clean, with text, finish and usage', 'say one two three', (r, where) => {
  assert.equal(r.text, 'one two three', where);
  assert.equal(r.finish, 'stop', where);
  assert.ok(r.clean && r.usage.in > 0 && r.usage.out > 0, where);
});
everywhere('text of every script survives', 'say žluťoučký 🐎 漢字 "quoted" \\back\\n end', (r, where) =>
  assert.equal(r.text, 'žluťoučký 🐎 漢字 "quoted" \\back\\n end', where));
everywhere('a tool is called with whole arguments', 'call weather {"city":"Brno \\"x\\" ž"}', (r, where) => {
  assert.equal(r.tool?.name, 'weather', where);
  assert.deepEqual(JSON.parse(r.tool.arguments), { city: 'Brno "x" ž' }, where);
  assert.ok(r.tool.id && r.clean && r.finish === 'tool_calls', where);
}, { tools: true });
everywhere('reasoning stays apart from the text', 'think the answer', (r, where) => {
  assert.equal(r.text, 'the answer', where);
  assert.equal(r.think, 'let me think', where);
}, { vendors: ['provider_openai', 'provider_anthropic', 'provider_ollama'] });

everywhere('429 with a long Retry-After is passed on with its wait', 'status 429 60', (r, where) => {
  failed(429)(r, where);
  const wait = Number(r.headers.get('retry-after'));
  assert.ok(wait >= 30 && wait <= 60, `retry-after ${wait}: ${where}`);
}, { vendors: ['provider_openai:limited'] });
everywhere('a bad request stays the client\'s', 'status 400', failed(400));
everywhere('context length exceeded is a 400', 'context', failed([400, 413]));
everywhere('a content filter is told', 'filter', failed([400, 403]));
everywhere('503 for ever is told as it is', 'status 503', failed([503, 502]));
everywhere('500 for ever is told as a fault of the vendor', 'status 500', failed([500, 502]));
everywhere('a web page is no answer', 'html', failed(502));
everywhere('redirects are never followed', 'redirect', failed(502));
everywhere('a reset before the head', 'reset', failed([502, 503]));
everywhere('1xx answers are skipped', 'informational', (r, where) => assert.equal(r.text, 'after hints', where));
everywhere('a flood of headers stays bounded', 'flood', failed([502, 503]));
everywhere('a bomb of gzip stays bounded', 'bomb', failed([502, 503]));
everywhere('silence ends at the limit for the first token', 'silence', failed(504), { vendors: BRIEF });
everywhere('a slow first token is waited for within the limit', 'slow 300', (r, where) => assert.ok(r.clean, where));
everywhere('a cut is never a clean end', 'cut 2', neverClean);
everywhere('a half-closed socket is never a clean end', 'halfclosed 2', neverClean);
everywhere('a stall ends at the idle limit', 'stall 2', neverClean, { vendors: BRIEF, streams: [true] });
everywhere('a broken event is never handed on', 'broken 2', (r, where, at) => {
  neverClean(r, where, at);
  assert.ok(!r.raw.includes('"choices":[{"delta"\n'), where);
});
everywhere('a missing end is never a clean end', 'unended', neverClean, { streams: [true] });
everywhere('an endless line stays bounded', 'endless 1', neverClean, { streams: [true] });
everywhere('an error inside the stream is an error', 'failed', neverClean, { streams: [true] });
everywhere('doubled starts and ends are caught', 'double', (r, where) => {
  if (r.clean) assert.equal(r.text, 'piece0 piece1 piece2 piece3 piece4 piece5 piece6 piece7 ', where);
  else assert.ok(r.error?.message, where);
}, { streams: [true] });
everywhere('events out of order are caught', 'disorder', neverClean, { streams: [true], vendors: ['provider_openai', 'provider_openai:responses', 'provider_anthropic'] });
everywhere('text behind the end is caught', 'late', (r, where) => {
  assert.ok(!r.text.includes('late'), where);
  if (!r.clean) assert.ok(r.error?.message, where);
}, { streams: [true] });
everywhere('tool arguments cut in half are an error', 'halftool', neverClean, { streams: [true], tools: true, vendors: ['provider_openai', 'provider_anthropic', 'provider_lmstudio'] });
for (const script of ['nousage', 'badusage'])
  everywhere(`usage that is ${script === 'nousage' ? 'missing' : 'nonsense'} is estimated`, script, (r, where) => {
    assert.ok(r.clean, where);
    assert.equal(r.text, 'piece0 piece1 piece2 piece3 piece4 piece5 piece6 piece7 ', where);
  });

test('no request followed a redirect', () => assert.ok(!vendor.log.some(e => e.path.startsWith('/stolen'))));

test('500 once is hidden by a retry', async () => {
  for (const name of NAMES) {
    const r = await ask(node.url, name, { model: 'provider_openai/scripted-large', script: `flaky once-${name} 1 500`, stream: true });
    assert.equal(r.text, 'recovered', `${name}: ${r.raw}`);
  }
});

test('a client that leaves closes the upstream within 100 ms, in every phase', async () => {
  const leave = async (name, script, until) => {
    const abort = new AbortController(), from = vendor.log.length;
    let left;
    const go = () => { left ??= Date.now(); abort.abort(); };
    const asked = ask(node.url, name, { model: 'provider_anthropic/scripted-large', script, stream: true, signal: abort.signal }, text => { if (text.includes(until)) go(); }).catch(() => 0);
    const entry = () => vendor.log.slice(from).find(e => script.startsWith(e.script));
    await node.until(entry, `the request '${script}'`);
    if (!until) go();
    await asked;
    await node.until(() => entry().gone, `${name}: the upstream of '${script}' to be closed`);
    return entry().closed - left;
  };
  const phases = [['silence x', ''], ['stall 0', ''], ['count 100000', '"50 ']];
  for (const [script, until] of phases) {
    const took = [];
    for (const name of NAMES) took.push(await leave(name, script, name === 'ollama' ? until.slice(0, 3) : until));
    assert.ok(Math.max(...took) < 1000, `${script}: ${took} ms`); // a busy machine may be slow once
    assert.ok(Math.min(...took) <= 100, `${script}: ${took} ms`);
  }
});

test('no connection, no name, no TLS: told as unavailable, and no key leaves', async () => {
  const plain = net.createServer(s => s.on('error', () => 0).end('hello\n'));
  await new Promise(done => plain.listen(0, '127.0.0.1', done));
  const lost = await new Node().start({}, { ini: ['refused = http://127.0.0.1:9/v1', 'nameless = http://no-such-host.invalid/v1', `tls = https://127.0.0.1:${plain.address().port}/v1`]
    .map(line => line.split(' = ')).map(([n, url]) => `[provider_openai:${n}]\nplugin = provider_openai\nbase_url = ${url}\napi_key = sk-x\nmodels = m\nconnect_timeout = 2s\n`).join('') + '[service_coordinator]\nfallback = none\n' });
  try {
    for (const name of NAMES)
      for (const n of ['refused', 'nameless', 'tls']) {
        const r = await ask(lost.url, name, { model: `provider_openai:${n}/m`, script: 'say x' });
        assert.ok([502, 503].includes(r.status) && r.error?.message, `${name} ${n}: ${r.status} ${r.raw}`);
        assert.ok(!r.raw.includes('sk-x'));
      }
  } finally {
    await lost.stop();
    plain.close();
  }
});
