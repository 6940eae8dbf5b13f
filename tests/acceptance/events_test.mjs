// Stored events from the shell, against the real programs and the real store: what was acknowledged
// is there, once and in order, whatever is killed meanwhile.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node } from './node.mjs';

const ini = '[store_bdb]\nplugin = store_bdb\nmin_free = 1M\nballast = 0\n';
const node = new Node();
before(() => node.start({}, { ini }));
after(() => node.stop());

const lines = text => text.split('\n').filter(Boolean).map(line => JSON.parse(line));
const jsonl = events => events.map(e => JSON.stringify(e)).join('\n') + '\n';

async function good(input, ...args) {
  const r = await node.aiexIn(input, 'events', ...args);
  assert.equal(r.code, 0, `aiex events ${args.join(' ')}: ${r.stderr}`);
  return lines(r.stdout);
}

// A running `aiex events ...`: say(line), ended(), and what it printed so far in `out`.
class Running {
  constructor(...args) {
    this.out = [];
    this.rest = this.err = '';
    this.child = spawn(path.join(process.env.AIEX_BUILD, 'bin/aiex'), ['events', ...args],
      { env: { ...process.env, AIEX_SOCKET: path.join(node.data, 'run/aiex.sock') } });
    this.child.stdout.on('data', bytes => {
      const parts = (this.rest + bytes).split('\n');
      this.rest = parts.pop();
      this.out.push(...parts.map(line => JSON.parse(line)));
    });
    this.child.stderr.on('data', bytes => { this.err += bytes; });
    this.over = new Promise(done => this.child.on('close', (code, signal) => done({ code, signal })));
  }

  say(event) {
    this.child.stdin.write(JSON.stringify(event) + '\n');
  }

  ended() {
    this.child.stdin.end();
    return this.over;
  }
}

async function storePid() {
  const r = await node.aiex('plugin', 'list', '--json');
  return r.code === 0 ? JSON.parse(r.stdout).find(p => p.name === 'store_bdb')?.pid ?? 0 : 0;
}

// SIGKILL for the store's cell; resolves when another one is there.
async function killStore() {
  let pid = 0;
  await node.until(async () => (pid = await storePid()) > 0, 'a cell of the store');
  process.kill(pid, 'SIGKILL');
  await node.until(async () => { const now = await storePid(); return now > 0 && now !== pid; }, 'another cell of the store', 20000);
}

test('hundreds of lines through one process, in order', async () => {
  const events = Array.from({ length: 1500 }, (_, i) => ({ type: 'counted', id: `h${i}`, data: { i } }));
  const acks = await good(jsonl(events), 'append', 'hundreds');
  assert.deepEqual(acks.map(a => a.id), events.map(e => e.id));
  assert.deepEqual(acks.map(a => a.version), events.map((_, i) => i + 1));
  const stored = await good('', 'read', 'hundreds', '--json');
  assert.deepEqual(stored.map(e => [e.id, e.version, e.seq, e.data.i]), acks.map((a, i) => [a.id, a.version, a.seq, i]));
  // the same again is the same
  const again = await good(jsonl(events.slice(0, 300)), 'append', 'hundreds');
  assert.ok(again.every((a, i) => a.duplicate && a.version === i + 1 && a.seq === acks[i].seq));
});

test('conflicts, batches and bad lines', async () => {
  const input = [
    '{"type":"a","id":"c1","expect":"none"}',
    '{"type":"a","id":"c2","expect":"none"}',
    '[{"type":"b","id":"c3","expect":1},{"type":"b","id":"c4"}]',
    '[{"type":"b","id":"c5"},{"type":"b","id":"c3"}]',
    'this is no JSON',
    '[{"type":"x","id":"c6"},{"type":"x","id":"c7","stream":"conflicts.other","expect":"none"}]',
    '[{"type":"x","id":"c8"},{"type":"x","id":"c9","stream":"conflicts.other","expect":"none"}]',
    '{"type":"a","id":"c10","expect":"exists"}',
  ].join('\n');
  const r = await node.aiexIn(input, 'events', 'append', 'conflicts');
  assert.equal(r.code, 1, r.stderr);
  assert.match(r.stderr, /6 of 12 events were not acknowledged; the first is in line/);
  const out = lines(r.stdout), by = Object.fromEntries(out.filter(a => a.id).reverse().map(a => [a.id, a]));
  assert.deepEqual(['c1', 'c3', 'c4', 'c6', 'c10'].map(id => by[id].version), [1, 2, 3, 4, 5]);
  assert.equal(by.c7.version, 1);
  assert.deepEqual([by.c2.error, by.c2.version, by.c2.line], ['conflict', 1, 2]);
  for (const id of ['c5', 'c8', 'c9']) assert.equal(by[id].error, 'conflict');
  assert.deepEqual(out.filter(a => a.error === 'invalid').map(a => a.line), [5]);
  assert.deepEqual((await good('', 'read', 'conflicts', '--json')).map(e => e.id), ['c1', 'c3', 'c4', 'c6', 'c10']);
  const one = await node.aiexIn('{"type":"a"}\n', 'events', 'append', 'conflicts', '--expect', 'none');
  assert.equal(one.code, 1);
  assert.equal(lines(one.stdout)[0].error, 'conflict');
  assert.equal((await good('{"type":"a"}\n', 'append', 'conflicts', '--expect', '5', '--ack', 'applied'))[0].version, 6);
});

test('reading: by version, type, correlation, backwards, everything', async () => {
  await good(jsonl([{ type: 'r1', correlation: 'k1', data: [1, 'é'] }, { type: 'r2', data_base64: 'AAH/' }, { type: 'r1' }]), 'append', 'reading');
  const read = async (...args) => (await good('', 'read', ...args, '--json')).map(e => e.version);
  assert.deepEqual(await read('reading', '--from', '2'), [2, 3]);
  assert.deepEqual(await read('reading', '--to', '2'), [1, 2]);
  assert.deepEqual(await read('reading', '--backwards', '--limit', '2'), [3, 2]);
  assert.deepEqual(await read('reading', '--type', 'r1'), [1, 3]);
  assert.deepEqual(await read('--all', '--correlation', 'k1'), [1]);
  const [first, second] = await good('', 'read', 'reading', '--json');
  assert.deepEqual([first.data, second.data_base64], [[1, 'é'], 'AAH/']);
  assert.deepEqual(await good('', 'read', 'nothing', '--json'), []);
  const all = await good('', 'read', '--all', '--json');
  assert.deepEqual(all.map(e => e.seq), all.map((_, i) => i + 1));
});

test('the store is killed again and again: nothing acknowledged is lost, nothing is there twice', async () => {
  const writer = new Running('append', 'killed');
  let sent = 0, stop = false;
  const feed = (async () => {
    while (!stop) {
      for (let i = 0; i < 50; i++) writer.say({ type: 'n', id: `k${sent}`, data: sent++ });
      await new Promise(done => setImmediate(done));
      await node.until(() => sent - writer.out.length < 400, 'acknowledgements', 60000);
    }
  })();
  for (let i = 0; i < 5; i++) {
    const seen = writer.out.length;
    await node.until(() => writer.out.length > seen + 200, 'acknowledgements between two kills', 60000);
    await killStore();
  }
  stop = true;
  await feed;
  await writer.ended();
  assert.equal(writer.out.length, sent, 'one line for each event');
  assert.deepEqual(writer.out.map(a => a.id), Array.from({ length: sent }, (_, i) => `k${i}`));
  const errors = new Set(writer.out.filter(a => a.error).map(a => a.error));
  for (const e of errors) assert.ok(['unknown', 'unavailable', 'busy'].includes(e), e);
  let stored = await good('', 'read', 'killed', '--json');
  assert.deepEqual(stored.map(e => e.version), stored.map((_, i) => i + 1));
  assert.equal(new Set(stored.map(e => e.id)).size, stored.length, 'an event is there twice');
  const at = new Map(stored.map(e => [e.id, e]));
  let last = 0;
  for (const ack of writer.out) {
    if (ack.error === 'unavailable' || ack.error === 'busy') assert.ok(!at.has(ack.id), `${ack.id} was refused and is there`);
    if (ack.error) continue;
    assert.equal(at.get(ack.id)?.version, ack.version, `${ack.id} was acknowledged`);
    assert.ok(ack.version > last, 'acknowledged events stand in the order of their acknowledgements');
    last = ack.version;
  }
  // what failed is sent again with the same ids, and then everything is there once
  const failed = writer.out.filter(a => a.error).map(a => ({ type: 'n', id: a.id, data: Number(a.id.slice(1)) }));
  if (failed.length) await good(jsonl(failed), 'append', 'killed');
  stored = await good('', 'read', 'killed', '--json');
  assert.deepEqual(stored.map(e => e.data).sort((a, b) => a - b), Array.from({ length: sent }, (_, i) => i));
  const verify = await node.aiex('events', 'verify');
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
});

test('a durable tail goes on where it was, over its own end and the store\'s', async () => {
  const name = 'tail-test', seen = [];
  const tail = () => new Running('tail', '--name', name, '--stream', 'tailed', '--from', '0', '--json');
  let t = tail();
  for (let round = 0; round < 3; round++) {
    await good(jsonl(Array.from({ length: 20 }, (_, i) => ({ type: 't', id: `t${round}-${i}` }))), 'append', 'tailed');
    await node.until(() => t.out.some(e => e.id === `t${round}-19`), 'the tail', 20000);
    if (round === 0) {
      seen.push(...t.out);
      t.child.kill('SIGKILL');
      await t.over;
      t = tail();
    } else if (round === 1) {
      await killStore();
    }
  }
  seen.push(...t.out);
  t.child.kill('SIGINT');
  assert.equal((await t.over).code, 130);
  const ids = [...new Set(seen.map(e => e.id))];
  assert.deepEqual(ids, [0, 1, 2].flatMap(r => Array.from({ length: 20 }, (_, i) => `t${r}-${i}`)));
  assert.ok(seen.length < 60 + 110, 'only what was not acknowledged comes again');
});

test('a tail without a name shows what comes', async () => {
  const t = new Running('tail', '--all', '--json', '-n', '2');
  let n = 0;
  await node.until(async () => { await good(`{"type":"live","data":${n++}}\n`, 'append', 'live'); return t.out.length >= 2; }, 'two events', 20000);
  assert.equal((await t.over).code, 0);
  assert.equal(t.out[1].data, t.out[0].data + 1);
});

test('export and import: the same events, to the byte', async () => {
  const file = path.join(node.dir, 'export.jsonl');
  await good(jsonl([{ type: 'm', meta: { a: 1 }, time: 5, causation: 'x', data: { text: 'a\u0001ü' } }, { type: 'b', data_base64: 'eyAiYSI6CiAxfQ==' }]), 'append', 'exact');
  const exported = (await node.aiex('events', 'export')).stdout;
  fs.writeFileSync(file, exported);
  const there = await node.aiex('events', 'import', file, '--json');
  assert.deepEqual(JSON.parse(there.stdout), { events: lines(exported).length, duplicates: lines(exported).length, failed: 0 });
  const other = new Node();
  await other.start({}, { ini });
  try {
    const r = await other.aiex('events', 'import', file);
    assert.equal(r.code, 0, r.stderr);
    assert.equal((await other.aiex('events', 'export')).stdout, exported);
  } finally {
    await other.stop();
  }
});

test('a backup is taken while lines go in, and restored', async () => {
  await good(jsonl([{ type: 'kept', id: 'b1' }]), 'append', 'backed');
  assert.equal((await node.aiex('events', 'backup', 'first', '--json')).code, 0);
  await good(jsonl([{ type: 'later', id: 'b2' }]), 'append', 'backed');
  const r = await node.aiex('events', 'restore', 'first', '--json');
  assert.equal(r.code, 0, r.stderr);
  assert.deepEqual((await good('', 'read', 'backed', '--json')).map(e => e.id), ['b1']);
  assert.equal((await good(jsonl([{ type: 'later', id: 'b2' }]), 'append', 'backed'))[0].version, 2);
  const none = await node.aiex('events', 'restore', 'nothing-there');
  assert.notEqual(none.code, 0);
});

// A plugin on sdk/events: an aggregate (account) and a projection (accounts).
async function call(method, body) {
  const r = await node.aiex('call', 'service_accounts', method, JSON.stringify(body));
  return r.code === 0 ? JSON.parse(r.stdout) : { error: r.stderr };
}

async function projection() {
  const r = await node.aiex('projection', 'list', '--json');
  return r.code === 0 ? JSON.parse(r.stdout).find(p => p.name === 'accounts') : undefined;
}

const isLive = async () => { const p = await projection(); return p?.state === 'live' && p.lag === 0 && p.generation > 0 && !p.building; };

async function kill(name) {
  const pid = async () => JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout).find(p => p.name === name)?.pid ?? 0;
  const before = await pid();
  process.kill(before, 'SIGKILL');
  await node.until(async () => { const now = await pid(); return now > 0 && now !== before; }, `another cell of ${name}`, 20000);
}

test('aggregates and projections on the real store, killed meanwhile', async () => {
  const loaded = await node.aiex('plugin', 'load', path.join(process.env.AIEX_BUILD, 'tests/plugins/service_accounts.so'));
  assert.equal(loaded.code, 0, loaded.stderr);
  assert.deepEqual(await call('account.move', { id: '1', sum: 100 }), { version: 1, money: 100 });
  assert.match((await call('account.move', { id: '1', sum: -101 })).error, /only 100 are there/);
  // commands at once on one account: each is decided on the state before it
  const at = (await Promise.all(Array.from({ length: 24 }, () => call('account.move', { id: '1', sum: -10 }))));
  assert.equal(at.filter(a => !a.error).length, 10, JSON.stringify(at));
  assert.deepEqual(await call('account.show', { id: '1' }), { version: 11, money: 0 });
  const saved = JSON.parse((await node.aiex('aggregate', 'show', 'account-1', '--json')).stdout);
  assert.ok(saved.version === 11 && saved.snapshot >= 10 && saved.state.money === 110 - 10 * saved.snapshot, JSON.stringify(saved));
  // money goes in while the store and the plugin are killed
  let paid = 0, unsure = 0;
  for (let round = 0; round < 4; round++) {
    const killed = round % 2 ? kill('service_accounts') : killStore();
    for (const a of await Promise.all(Array.from({ length: 12 }, () => call('account.move', { id: '2', sum: 1 })))) {
      if (!a.error) paid++;
      else unsure++;
    }
    await killed;
  }
  let shown;
  await node.until(async () => (shown = await call('account.show', { id: '2' })).version > 0, 'the plugin');
  assert.ok(shown.money >= paid && shown.money <= paid + unsure, `${shown.money} are there, ${paid} were acknowledged, ${unsure} not`);
  const stored = await good('', 'read', 'account-2', '--json');
  assert.deepEqual([stored.length, shown.version], [shown.money, shown.money]);
  await node.until(isLive, 'the projection', 20000);
  // a lag of 0 is that of the last look, which may be look_ms ago
  await node.until(async () => (await call('account.row', { id: '2' })).n >= shown.money, 'the last events');
  assert.deepEqual(await call('account.row', { id: '2' }), { n: shown.money, money: shown.money });
  assert.deepEqual(await call('account.row', { id: '1' }), { n: 11, money: 0 });
  // built anew while readers read
  const before = await projection();
  assert.equal(before.service, 'service_accounts');
  assert.equal((await node.aiex('projection', 'rebuild', 'accounts')).code, 0);
  await node.until(async () => {
    assert.deepEqual(await call('account.row', { id: '2' }), { n: shown.money, money: shown.money });
    return (await projection())?.generation === before.generation + 1 && await isLive();
  }, 'the new build', 20000);
  assert.deepEqual(await call('account.row', { id: '1' }), { n: 11, money: 0 });
  assert.match((await node.aiex('projection', 'list')).stdout, /accounts +live +0 /);
  assert.equal((await node.aiex('projection', 'rebuild', 'nothing')).code, 5);
  assert.equal((await node.aiex('aggregate', 'show', 'account-none')).code, 5);
  // without its plugin it is still listed
  assert.equal((await node.aiex('plugin', 'remove', 'service_accounts')).code, 0);
  await node.until(async () => (await projection())?.state === 'down', 'the projection to be down');
});

test('a store that does not write says so, and writes again', async () => {
  assert.equal((await node.aiex('call', 'store', 'store.freeze', '{}')).code, 0);
  const r = await node.aiexIn('{"type":"a"}\n', 'events', 'append', 'frozen');
  assert.equal(r.code, 4);
  assert.equal(lines(r.stdout)[0].error, 'read_only');
  assert.deepEqual(await good('', 'read', 'frozen', '--json'), []);
  assert.equal((await node.aiex('call', 'store', 'store.freeze', '{"on":false}')).code, 0);
  assert.equal((await good('{"type":"a"}\n', 'append', 'frozen'))[0].version, 1);
  const stats = JSON.parse((await node.aiex('events', 'stats', '--json')).stdout);
  assert.equal(stats.read_only, false);
});

test('a disk without room is read-only, and says so', async () => {
  const full = new Node();
  await full.start({}, { ini: ini.replace('min_free = 1M', 'min_free = 1023G') });
  try {
    let r;
    await full.until(async () => (r = await full.aiexIn('{"type":"a"}\n', 'events', 'append', 's')).code === 4, 'a refusal');
    assert.equal(lines(r.stdout)[0].error, 'read_only');
    assert.match(lines(r.stdout)[0].text, /bytes are free/);
    assert.equal((await full.aiex('events', 'read', '--all')).code, 0);
  } finally {
    await full.stop();
  }
});

test('without a standard input nothing is appended', async () => {
  const r = await new Promise(done => execFile('sh', ['-c', `exec '${process.env.AIEX_BUILD}/bin/aiex' events append closed <&-`],
    { env: { ...process.env, AIEX_SOCKET: path.join(node.data, 'run/aiex.sock') }, timeout: 20000 },
    (e, stdout) => done({ code: e ? e.code : 0, stdout })));
  assert.deepEqual(r, { code: 0, stdout: '' });
});

test('no store is said', async () => {
  const r = await node.aiexIn('{"type":"a"}\n', 'events', 'append', 's', '--store', 'nowhere');
  assert.notEqual(r.code, 0);
  assert.equal(lines(r.stdout)[0].error, 'unavailable');
});
