// `content_hash`: whoever has what a client sent and received can show from the audit log and the usage record
// that it was this, computed here with nothing of Aiex: whole answers, streams, errors, streams that are cut or
// that the client leaves, in every dialect, with sessions and compressed bodies.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { gzipSync, gunzipSync } from 'node:zlib';
import { VendorServer } from '../peers/vendor_server.mjs';
import { clients } from './ask.mjs';
import { Node } from './node.mjs';

const model = 'provider_openai/scripted-large';
let vendor;

before(async () => {
  vendor = new VendorServer();
  await vendor.listen();
});
after(() => vendor.close());

const start = policy => new Node().start(vendor.env(), {
  ini: `${policy ? `content_hash = ${policy}\n` : ''}[service_coordinator]\nfallback = none\n` });

// Raw bytes both ways. The client leaves as soon as `enough` says so of what it has received.
function send(node, path, body, headers = {}, enough) {
  return new Promise((done, fail) => {
    const req = http.request(node.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }, res => {
      const got = [];
      const end = () => done({ status: res.statusCode, headers: res.headers, bytes: Buffer.concat(got) });
      res.on('data', d => {
        got.push(d);
        if (enough?.(Buffer.concat(got).toString())) { req.destroy(); end(); }
      });
      res.on('end', end).on('error', end);
    });
    req.on('error', e => enough || fail(e));
    req.end(body);
  });
}
const body = (dialect, script, stream) => JSON.stringify(clients[dialect].body({ model, script, stream }));

async function acts(node) {
  const r = await node.aiex('audit', 'log', '--json', '--type', 'model.call');
  assert.equal(r.code, 0, r.stderr);
  return r.stdout.split('\n').filter(Boolean).map(l => JSON.parse(l).payload);
}
// The act that came after `n` others, and the record of its request.
async function nth(node, n) {
  let list;
  await node.until(async () => (list = await acts(node)).length > n, `act ${n}`, 20000);
  assert.equal(list.length, n + 1);
  const shown = await node.aiex('call', 'ledger', 'ledger.show', JSON.stringify({ id: list[n].id }));
  assert.equal(shown.code, 0, shown.stderr);
  return { act: list[n], record: JSON.parse(shown.stdout) };
}
const hash = (bytes, salt) => (salt ? createHmac('sha256', Buffer.from(salt, 'hex')) : createHash('sha256')).update(bytes).digest('hex');

function check({ act, record }, policy, sent, got) {
  assert.equal(act.hash, policy);
  assert.equal(record.salt === undefined, policy === 'sha256');
  assert.equal(act.salt, undefined, 'the salt stays in the ledger');
  assert.equal(act.request_hash, hash(sent, record.salt), 'request');
  assert.equal(act.answer_hash, hash(got, record.salt), 'answer');
  assert.deepEqual([record.hash, record.request_hash, record.answer_hash], [act.hash, act.request_hash, act.answer_hash]);
  assert.deepEqual([record.request_bytes, record.answer_bytes], [Buffer.byteLength(sent), got.length]);
}

for (const policy of ['sha256', 'salted'])
  test(`${policy}: both hashes can be computed from what the client sent and received`, async t => {
    const node = await start(policy), salts = new Set();
    let n = 0;
    const one = async (sent, got) => {
      const found = await nth(node, n++);
      check(found, policy, sent, got);
      assert.ok(policy === 'sha256' || !salts.has(found.record.salt), 'a salt of its own');
      salts.add(found.record.salt);
    };

    await t.test('in every dialect, whole and stream', async () => {
      for (const dialect of Object.keys(clients))
        for (const stream of [false, true]) {
          const sent = body(dialect, 'say hällo wörld', stream);
          const r = await send(node, clients[dialect].path, sent, clients[dialect].headers);
          assert.equal(r.status, 200, r.bytes.toString());
          await one(sent, r.bytes);
        }
    });
    await t.test('compressed both ways: the bytes are those that were packed', async () => {
      const sent = body('chat', 'say ' + 'long '.repeat(600), false);
      const r = await send(node, '/v1/chat/completions', gzipSync(sent), { 'content-encoding': 'gzip', 'accept-encoding': 'gzip' });
      assert.equal(r.headers['content-encoding'], 'gzip');
      await one(sent, gunzipSync(r.bytes));
    });
    await t.test('an error of the vendor', async () => {
      const sent = body('chat', 'status 400', false), r = await send(node, '/v1/chat/completions', sent);
      assert.equal(r.status, 400);
      await one(sent, r.bytes);
    });
    await t.test('a stream that the vendor cuts: up to the error event, which is the last thing sent', async () => {
      const sent = body('chat', 'cut 3', true), r = await send(node, '/v1/chat/completions', sent);
      assert.match(r.bytes.toString(), /piece2[^]*"error"/);
      await one(sent, r.bytes);
    });
    await t.test('a client that leaves: what was sent until then', async () => {
      const sent = body('chat', 'stall 3', true);
      const r = await send(node, '/v1/chat/completions', sent, {}, s => s.includes('piece2') && s.endsWith('\n\n'));
      await one(sent, r.bytes);
    });
    await t.test('with a session whose history goes along: what the client sent, not what was made of it', async () => {
      for (let i = 0; i < 2; i++) {
        const sent = body('chat', `say turn ${i}`, true);
        const r = await send(node, '/v1/chat/completions', sent, { 'x-aiex-session': 'new', 'x-aiex-history': 'send' });
        assert.equal(r.status, 200, r.bytes.toString());
        await one(sent, r.bytes);
      }
    });
    assert.deepEqual(await node.stop(), { code: 0, signal: null });
  });
