// The audit log as an operator and as a stranger see it: `aiex audit` on a running host, and a second
// verifier that must agree with ours about every export, whole or tampered with.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isSigned, readNote, verify, write } from '../peers/audit_verifier.mjs';

const build = process.env.AIEX_BUILD;
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'aiex-audit-')), data = path.join(dir, 'data');
let host;

function aiex(...args) {
  return new Promise(done => execFile(path.join(build, 'bin/aiex'), args,
    { env: { ...process.env, AIEX_SOCKET: path.join(data, 'run/aiex.sock') }, timeout: 60000, maxBuffer: 1 << 26 },
    (e, stdout, stderr) => done({ code: e ? e.code : 0, stdout, stderr })));
}
async function good(...args) {
  const r = await aiex(...args);
  assert.equal(r.code, 0, `aiex ${args.join(' ')}: ${r.stdout}${r.stderr}`);
  return r.stdout;
}
const read = async (...args) => JSON.parse(await good(...args, '--json'));

async function start(ini = '') {
  fs.mkdirSync(path.join(dir, 'conf'), { recursive: true });
  fs.writeFileSync(path.join(dir, 'conf/10.ini'), `[host]\nnode = test\naudit = no\n[audit_chain]\ntopics = none\norigin = example.org/test\n${ini}`);
  const log = fs.openSync(path.join(dir, 'log'), 'a');
  host = spawn(path.join(build, 'bin/aiex-host'), ['--config', path.join(dir, 'conf'), '--data', data, '--plugins', path.join(build, 'plugins')],
    { stdio: ['ignore', log, log] });
  host.ended = new Promise(done => host.on('exit', done));
  for (const until = Date.now() + 30000; (await aiex('call', 'audit', 'audit.head')).code !== 0;) {
    if (Date.now() > until) throw new Error('the host did not get ready:\n' + fs.readFileSync(path.join(dir, 'log'), 'utf8'));
    await pause(20);
  }
}
async function stop() {
  host.kill('SIGTERM');
  assert.equal(await host.ended, 0);
}
async function append(type, actor, more = {}) {
  return JSON.parse(await good('call', 'audit', 'audit.append', JSON.stringify({ type, actor, ...more }))).seq;
}

before(() => start());
after(async () => {
  await stop();
  fs.rmSync(dir, { recursive: true, force: true });
});

// ---- Two verifiers -----------------------------------------------------------------------------------

const file = path.join(dir, 'export.jsonl');

// What ours says: [] or {from, to, kind} of each fault.
async function ours(text, ...args) {
  fs.writeFileSync(file, text);
  const r = await aiex('audit', 'verify', file, '--json', ...args);
  const lines = r.stdout.trim().split('\n').map(l => JSON.parse(l)), sum = lines.pop();
  assert.equal(r.code, sum.faults ? 1 : 0, r.stderr);
  assert.equal(lines.length, sum.faults);
  const plain = await aiex('audit', 'verify', file, ...args);
  assert.equal(plain.code, r.code);
  return lines.map((l, i) => {
    assert.match(plain.stdout.split('\n')[i], /^(seq=\d+|\d+\.\.\d+|log): [a-z]+: ./);
    const m = /^(?:seq=(\d+)|(\d+)\.\.(\d+)|log)$/.exec(l.where);
    return { from: Number(m[1] ?? m[2]), to: Number(m[1] ?? m[3]), kind: l.kind };
  });
}

async function agree(name, text, where, options = {}, key) {
  const mine = await ours(text, ...(key ? ['--key', key] : []), ...(options.witnessFile ? ['--witness', options.witnessFile] : []));
  const theirs = verify(text, { key, witness: options.witness });
  assert.equal(mine.length > 0, theirs.length > 0, `${name}: ours ${JSON.stringify(mine)}, theirs ${JSON.stringify(theirs)}`);
  assert.equal(mine.length > 0, where !== null, `${name}: ${JSON.stringify(mine)}`);
  if (where !== null) {
    const at = f => f.from <= where && where <= f.to;
    assert.ok(mine.some(at), `${name}: seq ${where} is not among ${JSON.stringify(mine)}`);
    assert.ok(theirs.some(at), `${name}: seq ${where} is not among ${JSON.stringify(theirs)}`);
  }
}

// Ways to tamper with lines (objects) of an export with entries 0..n-1: [name, seq that must be told, how].
const b64 = s => Buffer.from(s).toString('base64'), un64 = s => Buffer.from(s, 'base64').toString('latin1');
const at = (ls, seq) => ls.findIndex(l => l.kind === 'entry' && l.seq === seq);
const edit = (ls, seq, from, to) => { const e = ls[at(ls, seq)]; e.body = Buffer.from(un64(e.body).replace(from, to), 'latin1').toString('base64'); };
const attacks = n => [
  ['changed body and view', 7, ls => { edit(ls, 7, 'ann', 'eve'); ls[at(ls, 7)].view.actor = 'eve'; }],
  ['changed last entry', n - 1, ls => { edit(ls, n - 1, 'ann', 'eve'); ls[at(ls, n - 1)].view.actor = 'eve'; }],
  ['changed first entry', 0, ls => { edit(ls, 0, 'ann', 'eve'); ls[at(ls, 0)].view.actor = 'eve'; }],
  ['changed view only', 6, ls => { ls[at(ls, 6)].view.actor = 'eve'; }],
  ['changed time in view', 6, ls => { ls[at(ls, 6)].view.time += 1; }],
  ['another key in view', 6, ls => { ls[at(ls, 6)].view.more = 1; }],
  ['changed body only', 6, ls => edit(ls, 6, 'ann', 'eve')],
  ['changed writer beside', 6, ls => { ls[at(ls, 6)].writer = 'x'; }],
  ['changed wseq beside', 6, ls => { ls[at(ls, 6)].wseq += 1; }],
  ['removed', 8, ls => ls.splice(at(ls, 8), 1)],
  ['removed first', 0, ls => ls.splice(at(ls, 0), 1)],
  ['removed some', 5, ls => { for (const s of [4, 5, 6]) ls.splice(at(ls, s), 1); }],
  ['removed and renumbered', 8, ls => { ls.splice(at(ls, 8), 1); for (const l of ls) if (l.kind === 'entry' && l.seq > 8) l.seq -= 1; }],
  ['swapped lines', 9, ls => { const a = at(ls, 9), b = at(ls, 10); [ls[a], ls[b]] = [ls[b], ls[a]]; }],
  ['swapped and renumbered', 9, ls => { const a = at(ls, 9), b = at(ls, 10); [ls[a], ls[b]] = [ls[b], ls[a]]; ls[a].seq = 9; ls[b].seq = 10; }],
  ['doubled', 5, ls => ls.splice(at(ls, 5), 0, { ...ls[at(ls, 5)] })],
  ['inserted a copy', 6, ls => { const e = { ...ls[at(ls, 5)], seq: 6 }; for (const l of ls) if (l.kind === 'entry' && l.seq > 5) l.seq += 1; ls.splice(at(ls, 5) + 1, 0, e); }],
  ['cut tail', n - 2, ls => { for (const s of [n - 2, n - 1]) ls.splice(at(ls, s), 1); }],
  ['cut file', 3, ls => ls.splice(at(ls, 4))],
  ['changed payload', 1, ls => { ls[at(ls, 1)].payload = b64('another'); }],
  ['changed salt', 1, ls => { ls[at(ls, 1)].salt = b64('0123456789abcdef'); }],
  ['dropped payload', 1, ls => { delete ls[at(ls, 1)].payload; delete ls[at(ls, 1)].salt; }],
  ['added payload', 2, ls => { ls[at(ls, 2)].payload = b64('x'); ls[at(ls, 2)].salt = b64('y'); }],
  ['changed head size', n - 1, ls => { const h = ls.findLast(l => l.kind === 'head'); h.note = h.note.replace(`\n${n}\n`, `\n${n - 1}\n`); }],
  ['changed head root', n - 1, ls => { const h = ls.findLast(l => l.kind === 'head'); h.note = h.note.replace(/\n(.)(.{42}=)\n/, (_, a, b) => `\n${a === 'A' ? 'B' : 'A'}${b}\n`); }],
  ['changed signature', n - 1, ls => { const h = ls.findLast(l => l.kind === 'head'); h.note = h.note.replace(/(.{8})\n$/, (_, a) => (a.startsWith('AAA') ? 'BBB' : 'AAA') + a.slice(3) + '\n'); }],
  ['removed the redaction', 13, ls => ls.splice(ls.findIndex(l => l.kind === 'redaction'), 1)],
];
async function attackAll(text, n, key) {
  for (const [name, where, how] of attacks(n)) {
    const lines = text.trim().split('\n').map(l => JSON.parse(l));
    how(lines);
    await agree(name, lines.map(l => JSON.stringify(l) + '\n').join(''), where, {}, key);
  }
}

const strangers = n => Array.from({ length: n }, (_, i) => ({ writer: 'wxyz'[i % 3], type: 't', actor: 'ann', subject: 's\u00fc "' + i,
  payload: i % 4 === 1 ? 'content ' + i : undefined }));

for (const encoding of ['msgpack', 'json'])
  test(`a log that a stranger wrote (${encoding}) is read as they read it`, async () => {
    const { text, key, notes } = write(strangers(20), { encoding, heads: [6, 12, 20], redact: [13] });
    await agree('whole', text, null, {}, key);
    await attackAll(text, 20, key);
    const older = write(strangers(20), { encoding });
    await agree('another log', older.text, 19, {}, key);
    const file = path.join(dir, 'witness');
    fs.writeFileSync(file, notes[20]);
    const lines = text.trim().split('\n').map(l => JSON.parse(l));
    const back = lines.filter(l => (l.kind !== 'entry' || l.seq < 12) && l.kind !== 'redaction' && l.kind !== 'inclusion' && l.kind !== 'consistency' && !l.note?.includes('\n20\n'));
    const backText = back.map(l => JSON.stringify(l) + '\n').join('');
    await agree('rolled back', backText, null, {}, key);
    await agree('rolled back, and a witness', backText, 15, { witness: notes[20], witnessFile: file }, key);
  });

// ---- The running log -------------------------------------------------------------------------------------

test('what is appended is read, exported and verified', async () => {
  for (let i = 0; i < 20; i++)
    assert.equal(await append(i % 5 ? 'file.read' : 'key.created', 'ann', { subject: 's ' + i, writer: 'wxyz'[i % 3], ...(i % 4 === 1 ? { payload: 'content ' + i } : {}) }), i);
  assert.equal((await good('audit', 'log')).split('\n').length, 21);
  const log = (await good('audit', 'log', '--type', 'key.*', '--json')).trim().split('\n').map(l => JSON.parse(l));
  assert.deepEqual(log.map(e => e.seq), [0, 5, 10, 15]);
  assert.equal(log[1].payload, 'content 5');
  assert.match(log[1].hash, /^[0-9a-f]{64}$/);
  assert.equal((await good('audit', 'log', '-n', '3')).split('\n').length, 4);
  await good('audit', 'redact', '13', '--reason', 'art. 17', '--actor', 'dpo');
  const head = await read('audit', 'head');
  assert.equal(head.size, 21);
  assert.ok(isSigned(readNote(head.note), head.key));
  const text = await good('audit', 'export');
  assert.doesNotMatch(text, new RegExp(b64('content 13')));
  await agree('ours', text, null, {}, head.key);
  await attackAll(text, 21, head.key);
  assert.deepEqual((await good('audit', 'verify', '--json')).trim(), '{"checked":21,"faults":0,"size":21}');
  const target = path.join(dir, 'whole.jsonl');
  assert.equal((await read('audit', 'export', target)).entries, 21);
  await good('audit', 'verify', target, '--key', head.key);
});

test('a part of the log has its own proofs', async () => {
  const part = await good('audit', 'export', '--from-seq', '5', '--to-seq', '9'), key = (await read('audit', 'head')).key;
  assert.deepEqual(await ours(part, '--key', key), []);
  const lines = part.trim().split('\n');
  assert.deepEqual(lines.map(l => JSON.parse(l)).filter(l => l.kind === 'entry').map(l => l.seq), [5, 6, 7, 8, 9]);
  const without = lines.filter(l => !(l.includes('"inclusion"') && l.includes('"index":7'))).join('\n') + '\n';
  assert.deepEqual(await ours(without, '--key', key), [{ from: 7, to: 7, kind: 'uncovered' }]);
  const proof = await good('audit', 'prove', '7', '--json');
  assert.deepEqual(await ours(proof, '--key', key), []);
  assert.deepEqual(await ours(proof.replace('"index":7', '"index":6'), '--key', key), [{ from: 6, to: 6, kind: 'inclusion' }]);
  assert.equal(JSON.parse(await good('audit', 'prove', '5', '21')).kind, 'consistency');
  assert.equal((await aiex('audit', 'prove', '999')).code, 5);
  assert.equal((await aiex('audit', 'prove', 'x')).code, 2);
});

test('reports', async () => {
  const day = new Date().toISOString().slice(0, 10);
  const soc2 = await read('audit', 'report', '--from', day, '--to', day);
  assert.equal(soc2.faults, 0);
  assert.equal(soc2.entries, 21);
  assert.deepEqual(soc2.controls.find(c => c.id === 'CC6.2').acts.map(a => [a.type, a.actor, a.entries]), [['key.created', 'ann', 4]]);
  const gdpr = await read('audit', 'report', '--shape', 'gdpr');
  assert.equal(gdpr.controls.find(c => c.id === 'Art. 17').entries, 1);
  await append('auth.failed', '=cmd|"x"<script>');
  const csv = await good('audit', 'report', '--shape', 'gdpr', '--format', 'csv');
  assert.match(csv, /^control,title,type,actor,entries,first,last\r\n/);
  assert.match(csv, /"auth\.failed","'=cmd\|""x""<script>",1,/);
  assert.match(await good('audit', 'report', '--shape', 'gdpr', '--format', 'html'), /<td>=cmd\|&quot;x&quot;&lt;script&gt;<td>1</);
  assert.match(await good('audit', 'report', '--shape', 'gdpr'), /Art\. 33 .*\n +1 entries by 1 actors/);
  assert.equal((await aiex('audit', 'report', '--shape', 'iso')).code, 2);
  assert.equal((await read('audit', 'report', '--from', '2020-01-01', '--to', '2020-01-02')).entries, 0);
  assert.equal((await aiex('audit', 'verify', '--from', '2020-01-01', '--to', '2020-01-02')).code, 5);
  assert.equal(JSON.parse(await good('audit', 'verify', '--from', day, '--json')).faults, 0);
});

test('a witness signs, and sees a log that went back', async () => {
  const note = path.join(dir, 'seen'), key = path.join(dir, 'witness.key');
  const refused = await aiex('audit', 'witness', note, '--cosign', key, '--name', 'witness.example');
  assert.equal(refused.code, 4);
  const vkey = /witness\.NAME = (\S+)/.exec(refused.stderr)[1];
  assert.equal(fs.statSync(key).mode & 0o777, 0o600);
  await stop();
  fs.cpSync(path.join(data, 'plugins'), path.join(dir, 'older'), { recursive: true });
  await start(`witness.one = ${vkey}\n`);
  assert.equal((await read('audit', 'witness', note, '--cosign', key)).first, true);
  const head = await read('audit', 'head');
  assert.ok(isSigned(readNote(head.cosigned), vkey) && isSigned(readNote(head.cosigned), head.key));
  await append('file.read', 'ann');
  assert.equal((await read('audit', 'witness', note)).ok, true);
  const export_ = await good('audit', 'export');
  assert.ok(export_.includes('witness.example'));
  await agree('cosigned', export_, null, {}, head.key);
  await stop();
  fs.rmSync(path.join(data, 'plugins'), { recursive: true });
  fs.cpSync(path.join(dir, 'older'), path.join(data, 'plugins'), { recursive: true });
  await start();
  const back = await aiex('audit', 'witness', note);
  assert.equal(back.code, 1);
  assert.match(back.stdout, /^seq=22: rollback: /);
  assert.equal((await aiex('audit', 'verify')).code, 0, 'an older true log is whole');
  await append('file.read', 'mallory');
  await append('file.read', 'mallory');
  const fork = await aiex('audit', 'witness', note);
  assert.equal(fork.code, 1);
  assert.match(fork.stdout, /^0\.\.22: fork: /);
});

test('a cell that is killed comes back with everything; a changed file is told', async () => {
  const before = (await read('audit', 'head')).size;
  process.kill((await read('plugin', 'list'))[0].pid, 'SIGKILL');
  for (const until = Date.now() + 10000; (await aiex('call', 'audit', 'audit.head')).code !== 0;)
    if (Date.now() > until) throw new Error('the cell did not come back');
  assert.equal((await read('audit', 'head')).size, before);
  assert.equal((await aiex('audit', 'verify')).code, 0);
  const segment = path.join(data, 'plugins/audit_chain/entries-00000000000000000000');
  const bytes = fs.readFileSync(segment), seen = bytes.indexOf('"subject":"s 3"');
  const fd = fs.openSync(segment, 'r+'); // in place: a file that is cut for a moment is another fault
  fs.writeSync(fd, Buffer.from([bytes[seen + 12] ^ 1]), 0, 1, seen + 12);
  fs.closeSync(fd);
  const r = await aiex('audit', 'verify');
  assert.equal(r.code, 1);
  assert.match(r.stdout, /^seq=3: damaged: /);
  for (const until = Date.now() + 10000; JSON.parse(await good('call', 'audit', 'audit.health')).healthy;)
    if (Date.now() > until) throw new Error('a fault is not told');
  const refused = await aiex('call', 'audit', 'audit.append', '{"type":"key.created","actor":"ann"}');
  assert.equal(refused.code, 4);
  assert.match(refused.stderr, /not recorded: .*seq=3.*must not happen unrecorded/);
});
