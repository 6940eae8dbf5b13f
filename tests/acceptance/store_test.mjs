// The store's life as operators have it, with all services on it: points in time, another machine, a key, room given
// back, many writers in processes of their own while it is killed. What was acknowledged is there, or said to be gone.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node } from './node.mjs';

const ini = more => `[store_bdb]\nmin_free = 1M\nballast = 0\nlog_file = 9M\narchive = 1G\n${more ?? ''}`;
const node = new Node();
before(() => node.start({}, { ini: ini() }));
after(async () => assert.deepEqual(await node.stop(), { code: 0, signal: null }));

const lines = text => text.split('\n').filter(Boolean).map(line => JSON.parse(line));

async function good(on, ...args) {
  const r = await on.aiex(...args);
  assert.equal(r.code, 0, `aiex ${args.join(' ')}: ${r.stdout}${r.stderr}`);
  return r.stdout;
}
const json = async (on, ...args) => JSON.parse(await good(on, ...args, '--json'));
const ids = async (on, stream) => lines(await good(on, 'events', 'read', stream, '--json')).map(e => e.id);
const clean = on => good(on, 'events', 'verify');

async function append(on, stream, ...names) {
  const r = await on.aiexIn(names.map(id => JSON.stringify({ type: 't', id })).join('\n') + '\n', 'events', 'append', stream);
  assert.equal(r.code, 0, r.stdout + r.stderr);
  return lines(r.stdout);
}

const models = async (on, key) => (await fetch(on.url + '/v1/models', { headers: { authorization: `Bearer ${key}` } })).status;
const pidOf = async (on, name) => {
  const r = await on.aiex('plugin', 'list', '--json');
  return r.code === 0 ? JSON.parse(r.stdout).find(p => p.name === name)?.pid ?? 0 : 0;
};

const found = (on, word) => json(on, 'context', 'search', word);
async function put(on, name, text) {
  const file = path.join(on.dir, name);
  fs.writeFileSync(file, text);
  await good(on, 'context', 'put', '--kind', 'note', file);
}

// SIGKILL for an instance; resolves when another process is there.
async function replaced(name) {
  let pid = 0;
  await node.until(async () => (pid = await pidOf(node, name)) > 0, `a cell of ${name}`);
  process.kill(pid, 'SIGKILL');
  await node.until(async () => { const now = await pidOf(node, name); return now > 0 && now !== pid; }, `another cell of ${name}`, 20000);
}

test('back to a sequence and to a time: first said, then done, and the services follow', async () => {
  const old = await json(node, 'key', 'create', 'old'), doomed = await json(node, 'key', 'create', 'doomed');
  await append(node, 'points', 'p1');
  await good(node, 'session', 'create');
  await put(node, 'early', 'what was said early');
  await good(node, 'events', 'backup', 'monday');
  const [p2] = await append(node, 'points', 'p2');
  const at = Date.now();
  await node.until(() => Date.now() > at, 'another millisecond');
  const later = await json(node, 'key', 'create', 'later');
  await good(node, 'key', 'revoke', doomed.id);
  const kept = (await json(node, 'session', 'list'))[0].session;
  await replaced('service_sessions'); // its ownership of then is not in the backup
  const session = (await json(node, 'session', 'create')).session;
  await put(node, 'later', 'what was said later');
  await append(node, 'points', 'p3');
  assert.equal(await models(node, later.key), 200);

  await good(node, 'upgrade'); // what the host listens for, it listens for afterwards, too
  const said = await json(node, 'events', 'restore', 'monday', '--to-sequence', String(p2.seq), '--dry-run');
  assert.deepEqual([said.sequence, said.dry_run, said.lost_events > 0], [p2.seq, true, true]);
  assert.deepEqual(await ids(node, 'points'), ['p1', 'p2', 'p3']);

  const done = await json(node, 'events', 'restore', 'monday', '--to-time', String(at));
  assert.ok(done.sequence >= p2.seq && done.time <= at && done.lost_events > 0, JSON.stringify(done));
  assert.deepEqual(await ids(node, 'points'), ['p1', 'p2']);
  await clean(node);
  // without a restart of anything: sessions are those of then; no key is lost, and none that was revoked is good again
  await node.until(async () => (await node.aiex('session', 'show', session)).code === 5, 'the later session to be gone');
  await good(node, 'session', 'archive', kept);
  await node.until(async () => (await found(node, 'later')).length === 0, 'the later context to be gone');
  assert.equal((await found(node, 'early')).length, 1);
  await put(node, 'again', 'what was said again');
  assert.equal((await found(node, 'again')).length, 1);
  await node.until(async () => lines(await good(node, 'events', 'read', 'gateway/keys', '--json')).some(e => e.type === 'key.imported'), 'the later key in the store');
  for (const [key, status] of [[old, 200], [later, 200], [doomed, 401]]) assert.equal(await models(node, key.key), status);
  await append(node, 'points', 'p4');
  assert.deepEqual(await ids(node, 'points'), ['p1', 'p2', 'p4']);

  for (const [args, wanted] of [
    [['restore', 'monday', '--to-sequence', '1'], /later than the point/],
    [['restore', 'tuesday'], /tuesday/],
    [['restore', 'monday', '--to-sequence', '5', '--to-time', '5'], /to.sequence.*to.time/],
  ]) {
    const r = await node.aiex('events', ...args);
    assert.notEqual(r.code, 0);
    assert.match(r.stderr, wanted);
  }
  assert.deepEqual(await ids(node, 'points'), ['p1', 'p2', 'p4']);
});

test('a backup is a store on another machine, and keys are valid there', async () => {
  let made;
  await node.until(async () => (made = await node.aiex('key', 'create', 'moved', '--json')).code === 0, 'the gateway to know what the store has now');
  const key = JSON.parse(made.stdout).key;
  await append(node, 'moved', 'm1', 'm2');
  await good(node, 'events', 'backup', 'move');
  const other = new Node();
  await other.start({}, { ini: ini(), prepare: data => fs.cpSync(path.join(node.data, 'plugins/store_bdb/move'), path.join(data, 'plugins/store_bdb'), { recursive: true }) });
  try {
    await clean(other);
    assert.deepEqual(await ids(other, 'moved'), ['m1', 'm2']);
    await other.until(async () => await models(other, key) === 200, 'the key on the other machine');
    await append(other, 'moved', 'm3');
    assert.deepEqual(await ids(other, 'moved'), ['m1', 'm2', 'm3']);
    assert.deepEqual(await ids(node, 'moved'), ['m1', 'm2']);
  } finally {
    await other.stop();
  }
});

test('room that erased events took is given back, and their bytes are nowhere', async () => {
  const word = 'personal-' + Math.random().toString(36).slice(2);
  const file = path.join(node.dir, 'many.jsonl');
  fs.writeFileSync(file, Array.from({ length: 4000 }, (_, i) => JSON.stringify({ type: 't', id: `r${i}`, data: { word, text: 'x'.repeat(500) } })).join('\n') + '\n');
  assert.equal((await node.aiexIn(fs.readFileSync(file), 'events', 'append', 'erased', '--ack', 'written')).code, 0);
  fs.rmSync(file);
  await good(node, 'call', 'store', 'store.compact', JSON.stringify({ stream: 'erased', keep_from: 4001 }));
  const r = await json(node, 'events', 'compact', '--forget');
  assert.ok(r.freed > 1e6, JSON.stringify(r));
  const holds = dir => fs.readdirSync(dir, { withFileTypes: true }).flatMap(e => e.isDirectory() ? holds(path.join(dir, e.name)) : fs.readFileSync(path.join(dir, e.name)).includes(word) ? [e.name] : []);
  assert.deepEqual(holds(path.join(node.data, 'plugins/store_bdb')), []);
  await clean(node);
  assert.deepEqual(await ids(node, 'moved'), ['m1', 'm2']);
});

test('encryption is turned on, changed and turned off; a store without its key says what to do', async () => {
  const other = new Node();
  await other.start({}, { ini: ini() });
  const conf = path.join(other.dir, 'conf.d', '91-key.ini');
  const options = async text => {
    fs.writeFileSync(conf, `[store_bdb]\n${text}`);
    await good(other, 'config', 'reload');
  };
  const stats = () => other.aiex('events', 'stats', '--json');
  const holds = word => fs.readdirSync(path.join(other.data, 'plugins/store_bdb/db')).some(f => fs.readFileSync(path.join(other.data, 'plugins/store_bdb/db', f)).includes(word));
  try {
    await append(other, 'kept-in-the-dark', 'c1');
    assert.ok(holds('kept-in-the-dark'));
    for (const [text, hidden] of [['encrypt = on\nkey = a-first-key-of-thirty-two-bytes-x\n', true], ['encrypt = on\nkey = a-second-key-of-thirty-two-bytes-\nold_key = a-first-key-of-thirty-two-bytes-x\n', true], ['old_key = a-second-key-of-thirty-two-bytes-\n', false]]) {
      await options(text);
      let r;
      await other.until(async () => (r = await other.aiex('events', 'read', 'kept-in-the-dark')).code !== 0, 'the store to refuse', 20000);
      assert.match(r.stderr, /store\.rewrite/);
      await good(other, 'events', 'rewrite');
      assert.deepEqual(await ids(other, 'kept-in-the-dark'), ['c1']);
      await clean(other);
      assert.equal(holds('kept-in-the-dark'), !hidden);
    }
    assert.equal(JSON.parse((await stats()).stdout).read_only, false);
  } finally {
    await other.stop();
  }
});

// `aiex events append` as a process that is fed while the store dies.
class Writer {
  constructor(stream, prefix) {
    Object.assign(this, { stream, prefix, sent: 0, out: [], rest: '' });
    this.child = spawn(path.join(process.env.AIEX_BUILD, 'bin/aiex'), ['events', 'append', stream],
      { env: { ...process.env, AIEX_SOCKET: path.join(node.data, 'run/aiex.sock') }, stdio: ['pipe', 'pipe', 'ignore'] });
    this.child.stdout.on('data', bytes => {
      const parts = (this.rest + bytes).split('\n');
      this.rest = parts.pop();
      this.out.push(...parts.map(line => JSON.parse(line)));
      this.feed();
    });
    this.over = new Promise(done => this.child.on('close', done));
  }

  // Never more than 100 on their way; ends when told to stop.
  feed() {
    while (!this.stopped && this.sent - this.out.length < 100)
      this.child.stdin.write(JSON.stringify({ type: 'n', id: `${this.prefix}-${this.sent++}` }) + '\n');
  }

  end() {
    this.stopped = true;
    this.child.stdin.end();
    return this.over;
  }
}

test('eight writers in processes of their own, the store killed again and again', async () => {
  const writers = Array.from({ length: 8 }, (_, i) => new Writer(i < 4 ? `own-${i}` : 'shared', `w${i}`));
  writers.forEach(w => w.feed());
  for (let round = 0; round < 5; round++) {
    const seen = writers.map(w => w.out.length);
    await node.until(() => writers.every((w, i) => w.out.length > seen[i] + 50), 'acknowledgements between two kills', 60000);
    await replaced('store_bdb');
  }
  await Promise.all(writers.map(w => w.end()));
  await clean(node);
  const streams = new Map();
  for (const name of new Set(writers.map(w => w.stream))) {
    const stored = lines(await good(node, 'events', 'read', name, '--json'));
    assert.deepEqual(stored.map(e => e.version), stored.map((_, i) => i + 1), `versions of ${name}`);
    assert.equal(new Set(stored.map(e => e.id)).size, stored.length, `an event is twice in ${name}`);
    streams.set(name, new Map(stored.map(e => [e.id, e])));
  }
  for (const w of writers) {
    const stored = streams.get(w.stream);
    let version = 0, seq = 0;
    assert.equal(w.out.length, w.sent, `${w.prefix}: one line for each event`);
    for (const ack of w.out) {
      if (['unavailable', 'busy'].includes(ack.error)) assert.ok(!stored.has(ack.id), `${ack.id} was refused and is there`);
      else if (ack.error) assert.equal(ack.error, 'unknown');
      else {
        assert.deepEqual([stored.get(ack.id)?.version, stored.get(ack.id)?.seq], [ack.version, ack.seq], `${ack.id} was acknowledged`);
        assert.ok(ack.version > version && ack.seq > seq, `${ack.id} stands before one that was acknowledged earlier`);
        [version, seq] = [ack.version, ack.seq];
      }
    }
  }
});
