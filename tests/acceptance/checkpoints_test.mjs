// Checkpoints as an operator uses them: made while writers run and cells are killed, compared, restored
// here and on another node. What a checkpoint has is looked at where it was restored: one state over
// streams and tables.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test, before, after } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Node } from './node.mjs';

const only = ['00-host.ini', '38-store.ini', '39-sessions.ini', '39-checkpoints.ini', '50-interface-cli.ini'];
const node = new Node(), other = new Node();

before(async () => {
  await node.start({}, { only, ini: '[job:checkpoint-prune]\ncron = @yearly\nservice = checkpoints\nmethod = checkpoints.prune\n' });
  await other.start({}, { only });
});
after(async () => {
  assert.deepEqual(await node.stop(), { code: 0, signal: null });
  assert.deepEqual(await other.stop(), { code: 0, signal: null });
});

async function call(service, method, fields, on = node) {
  const r = await on.aiex('call', service, method, JSON.stringify(fields));
  if (r.code !== 0) return { failed: r.stderr };
  const end = r.stdout.slice(r.stdout.lastIndexOf('\n{', r.stdout.length - 2) + 1);
  return JSON.parse(r.stdout.trimStart().startsWith('{\n') ? r.stdout : end);
}

async function good(...args) {
  const a = await call(...args);
  assert.ok(!a.failed, `${args[1]} ${JSON.stringify(args[2])}: ${a.failed}`);
  return a;
}

// aiex checkpoint ..., which must end well.
async function cp(...args) {
  const r = await node.aiex('checkpoint', ...args);
  assert.equal(r.code, 0, `checkpoint ${args.join(' ')}: ${r.stderr}`);
  return r;
}

async function kill(name) {
  const plugins = JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout);
  const pid = plugins.find(p => p.name === name).pid;
  if (pid > 0) try { process.kill(pid, 'SIGKILL'); } catch (e) { assert.equal(e.code, 'ESRCH'); }
}

const put = (table, key, value) => good('store', 'store.transact', { operations: [{ op: 'put', table, key, value }] });
const ready = on => on.until(async () => (await call('checkpoints', 'checkpoints.status', {}, on)).ready === true, 'checkpoints', 60000);

test('an operator makes, compares and restores', async () => {
  const id = (await node.aiex('session', 'create', '--title', 'First talk')).stdout.trim();
  const say = text => good('sessions', 'sessions.append', { session: id, messages: [{ role: 'user', content: text }] });
  await say('one');
  await put('people', 'ann', '1');
  assert.equal((await cp('create', 'monday', '--tag', 'keep', '--description', 'before the move')).stdout, 'monday\n');
  await say('two');
  await put('people', 'ann', '2');
  await put('people', 'bob', '2');
  await cp('create', 'tuesday');
  const list = JSON.parse((await cp('list', '--json')).stdout);
  assert.deepEqual(list.map(c => [c.name, c.kind]), [['tuesday', 'incremental'], ['monday', 'full']]);
  assert.match((await cp('show', 'monday')).stdout, /description +before the move/);
  const differs = (await cp('compare', 'monday', 'tuesday')).stdout;
  assert.match(differs, /changed {2}table:people {2}ann\n/);
  assert.match(differs, /table:people: 1 added, 1 changed\n/);
  assert.match(differs, new RegExp(`changed  sessions  session/${id}  version 2 -> 3`));

  const dry = await cp('restore', '--dry-run', 'monday');
  assert.match(dry.stdout, new RegExp(`rolled_back  sessions  ${id}  version 3 -> that of 2`));
  assert.match(dry.stdout, /removed {2}table:people {2}bob\n/);
  assert.match(dry.stderr, /nothing was changed/);
  assert.equal((await good('sessions', 'sessions.get', { session: id })).messages, 2);
  const done = await cp('restore', 'monday');
  assert.match(done.stderr, /the way back: aiex checkpoint restore before-monday/);
  assert.equal((await good('sessions', 'sessions.get', { session: id })).messages, 1);
  assert.equal((await good('store', 'store.get', { table: 'people', key: 'bob' })).found, false);
  assert.equal((await cp('restore', '-n', 'monday')).stdout, '');
  await cp('restore', 'before-monday');
  assert.equal((await good('sessions', 'sessions.get', { session: id })).messages, 2);
  assert.equal((await good('store', 'store.get', { table: 'people', key: 'bob' })).found, true);

  await cp('verify', 'tuesday');
  await cp('delete', 'tuesday');
  const gone = await node.aiex('checkpoint', 'show', 'tuesday');
  assert.equal(gone.code, 5);
  assert.match(gone.stderr, /there is no checkpoint 'tuesday'/);
  const wrong = await node.aiex('checkpoint', 'create', '--parts', 'everything');
  assert.match(wrong.stderr, /part 'everything' is none of all, sessions/);
});

async function count(stream, on) {
  const r = await on.aiex('events', 'read', stream, '--json');
  assert.equal(r.code, 0, r.stderr);
  return r.stdout.split('\n').length - 1;
}

// Each writer appends to two streams and counts in a row, in one transaction. What is acknowledged is
// kept in `acked`.
const writers = 4, acked = new Array(writers).fill(0);
let writing = true;

async function write(w) {
  for (let n = 1; writing; n++) {
    const operations = [
      { op: 'append', stream: `left-${w}`, expected: n - 1, events: [{ id: `l${w}.${n}`, type: 'step' }] },
      { op: 'put', table: 'steps', key: `w${w}`, value: `${n}` },
      { op: 'append', stream: `right-${w}`, expected: n - 1, events: [{ id: `r${w}.${n}`, type: 'step' }] },
    ];
    await node.until(async () => !(await call('store', 'store.transact', { id: `t${w}.${n}`, operations })).failed, `step ${n}`, 60000);
    acked[w] = n;
  }
}

// The state of `name` as the other node shows it: for each writer what the three say.
async function stateOf(name) {
  const file = path.join(node.dir, 'carried');
  await cp('export', name, file);
  const r = await other.aiex('checkpoint', 'import', file);
  assert.equal(r.code, 0, r.stderr);
  const restored = await other.aiex('checkpoint', 'restore', name, '--no-backup', '--parts', 'stream:left-,stream:right-,table:steps');
  assert.equal(restored.code, 0, restored.stdout + restored.stderr);
  const state = [];
  for (let w = 0; w < writers; w++) {
    const row = await good('store', 'store.get', { table: 'steps', key: `w${w}` }, other);
    state.push([await count(`left-${w}`, other), await count(`right-${w}`, other), row.found ? Number(row.value) : 0]);
  }
  return state;
}

test('under load each one is one state, whatever is killed', async () => {
  const running = Array.from({ length: writers }, (_, w) => write(w));
  await node.until(async () => acked.every(n => n > 1), 'the writers', 60000);
  const made = [];
  for (let i = 0; i < 12; i++) {
    const least = [...acked];
    const create = node.aiex('checkpoint', 'create', `load-${i}`);
    if (i % 3) {
      await pause(Math.random() * 60);
      await kill(i % 3 === 1 ? 'store_bdb' : 'service_checkpoints');
    }
    const r = await create;
    if (i % 3 === 0) assert.equal(r.code, 0, r.stderr);
    await ready(node);
    const there = (await node.aiex('checkpoint', 'show', `load-${i}`)).code === 0;
    if (r.code === 0) assert.ok(there, `load-${i} was acknowledged`);
    if (there) made.push({ name: `load-${i}`, least, most: acked.map(n => n + 1) });
  }
  writing = false;
  await Promise.all(running);
  assert.ok(made.length >= 4);
  for (const { name } of made) await cp('verify', name);
  for (const { name, least, most } of [made[0], made.at(-2), made.at(-1)])
    for (const [w, [left, right, row]] of (await stateOf(name)).entries()) {
      assert.deepEqual([left, right], [row, row], `${name}: writer ${w}`);
      assert.ok(row >= least[w] && row <= most[w] + 1, `${name}: writer ${w} was at ${least[w]}..${most[w]}, not ${row}`);
    }
  assert.equal((await good('store', 'store.verify', {})).whole, true);
  for (let w = 0; w < writers; w++) assert.equal(await count(`left-${w}`, node), acked[w]);
});

test('a restore that is killed goes on', async () => {
  const rows = 1500, keyOf = i => `k${String(i).padStart(5, '0')}`;
  const fill = async (value, from, to) => {
    for (let at = from; at < to; at += 500)
      await good('store', 'store.transact', { operations: Array.from({ length: Math.min(500, to - at) }, (_, i) => ({ op: 'put', table: 'many', key: keyOf(at + i), value })) });
  };
  await fill('then', 0, rows);
  await cp('create', 'many', '--parts', 'table:many');
  for (const victim of ['service_checkpoints', 'store_bdb', 'service_checkpoints']) {
    await fill('now', 0, rows);
    await fill('new', rows, rows + 600);
    const restore = node.aiex('checkpoint', 'restore', 'many', '--no-backup', '--count', '0');
    await pause(30 + Math.random() * 150);
    await kill(victim);
    const r = await restore;
    await ready(node);
    if (r.code !== 0) // it was begun, and is gone on with, or it was not
      await node.until(async () => !fs.existsSync(path.join(node.data, 'plugins/service_checkpoints/restoring')), 'the end of the restore', 60000);
    const left = JSON.parse((await cp('restore', '-n', '--json', '--count', '0', 'many')).stdout);
    const total = Object.values(left.total).reduce((a, b) => a + b, 0);
    assert.ok(total === 0 || total === rows + 600, `${total} of ${rows + 600} rows are still to be restored`);
    if (total) await cp('restore', 'many', '--no-backup', '--count', '0');
  }
  assert.equal((await good('store', 'store.get', { table: 'many', key: keyOf(3) })).value, 'then');
});

test('the policy is applied by a job', async () => {
  for (let i = 0; i < 12; i++) await cp('create', `p${i}`, '--parts', 'table:people');
  const would = JSON.parse((await cp('prune', '--dry-run', '--json')).stdout);
  assert.ok(would.removed.length > 0);
  const before = JSON.parse((await cp('list', '--json')).stdout).map(c => c.name);
  assert.equal((await node.aiex('job', 'run', 'checkpoint-prune')).code, 0);
  const names = async () => JSON.parse((await cp('list', '--json')).stdout).map(c => c.name);
  await node.until(async () => (await names()).length === would.kept, 'the job');
  const kept = await names();
  assert.deepEqual(kept, before.filter(n => !would.removed.includes(n)));
  assert.ok(kept.includes('monday'), 'its tag keeps it');
  for (const name of kept) await cp('verify', name);
});

test('a reload loses nothing', async () => {
  const create = node.aiex('checkpoint', 'create', 'while-reloaded');
  const reload = await node.aiex('plugin', 'reload', 'service_checkpoints');
  assert.equal(reload.code, 0, reload.stderr);
  const r = await create;
  await ready(node);
  assert.equal((await node.aiex('checkpoint', 'show', 'while-reloaded')).code === 0, r.code === 0, r.stderr);
  await cp('create', 'after-reload');
  await cp('verify', 'after-reload');
});
