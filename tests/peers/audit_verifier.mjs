// A second verifier and a second writer of aiex-audit/1, made from the description of the format alone
// with nothing but node's crypto, to see whether others agree with ours. verify(text, {key, witness})
// gives the faults, each {from, to, what}; write(entries, options) makes an export.
import crypto from 'node:crypto';

const sha = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts.map(p => Buffer.from(p)))).digest();
export const leafHash = body => sha([0], body);
const nodeHash = (l, r) => sha([1], l, r);
const chainHash = (prev, leaf) => sha([2], prev, leaf);
const commitment = (salt, payload) => sha([3], salt, payload);
const ZERO = Buffer.alloc(32);

// ---- The tree: the definitions of RFC 9162 2.1, read out loud ------------------------------------

const split = n => { let k = 1; while (k * 2 < n) k *= 2; return k; };
export function root(leaves, from = 0, n = leaves.length) {
  if (n === 0) return sha(Buffer.alloc(0));
  if (n === 1) return leaves[from];
  const k = split(n);
  return nodeHash(root(leaves, from, k), root(leaves, from + k, n - k));
}
export function path(leaves, m, from = 0, n = leaves.length) {
  if (n === 1) return [];
  const k = split(n);
  return m < k ? [...path(leaves, m, from, k), root(leaves, from + k, n - k)]
    : [...path(leaves, m - k, from + k, n - k), root(leaves, from, k)];
}
export function consistency(leaves, m, from = 0, n = leaves.length, whole = true) {
  if (m === n) return whole ? [] : [root(leaves, from, n)];
  const k = split(n);
  return m <= k ? [...consistency(leaves, m, from, k, whole), root(leaves, from + k, n - k)]
    : [...consistency(leaves, m - k, from + k, n - k, false), root(leaves, from, k)];
}

function rootFromPath(index, size, leaf, proof) {
  let fn = BigInt(index), sn = BigInt(size) - 1n, r = leaf;
  if (fn > sn) return null;
  for (const p of proof) {
    if (sn === 0n) return null;
    if (fn & 1n || fn === sn) {
      r = nodeHash(p, r);
      while (!(fn & 1n) && fn) { fn >>= 1n; sn >>= 1n; }
    } else r = nodeHash(r, p);
    fn >>= 1n; sn >>= 1n;
  }
  return sn === 0n ? r : null;
}

function isConsistent(size1, size2, root1, root2, proof) {
  if (size1 === 0) return proof.length === 0;
  if (size1 === size2) return proof.length === 0 && root1.equals(root2);
  const path = (size1 & (size1 - 1)) === 0 ? [root1, ...proof] : proof;
  if (!path.length || size1 > size2) return false;
  let fn = size1 - 1, sn = size2 - 1, fr = path[0], sr = path[0];
  while (fn & 1) { fn >>= 1; sn >>= 1; }
  for (const c of path.slice(1)) {
    if (sn === 0) return false;
    if (fn & 1 || fn === sn) {
      fr = nodeHash(c, fr); sr = nodeHash(c, sr);
      while (!(fn & 1) && fn) { fn >>= 1; sn >>= 1; }
    } else sr = nodeHash(sr, c);
    fn >>= 1; sn >>= 1;
  }
  return sn === 0 && fr.equals(root1) && sr.equals(root2);
}

// ---- Notes -------------------------------------------------------------------------------------------

const der = Buffer.from('302a300506032b6570032100', 'hex');
const keyId = (name, type, raw) => sha(name, '\n', [type], raw).subarray(0, 4);
function readKey(text) {
  const [name, id, ...rest] = text.split('+');
  const bytes = Buffer.from(rest.join('+'), 'base64');
  if (!keyId(name, bytes[0], bytes.subarray(1)).equals(Buffer.from(id, 'hex'))) throw new Error('key id');
  return { name, type: bytes[0], id: Buffer.from(id, 'hex'),
    key: crypto.createPublicKey({ key: Buffer.concat([der, bytes.subarray(1)]), format: 'der', type: 'spki' }) };
}
export function readNote(note) {
  const at = note.lastIndexOf('\n\n');
  const text = note.slice(0, at + 1), [origin, size, r] = text.split('\n');
  if (at < 0 || !/^(0|[1-9][0-9]*)$/.test(size) || Buffer.from(r, 'base64').length !== 32) throw new Error('note');
  const signatures = note.slice(at + 2).split('\n').filter(Boolean).map(line => {
    const m = /^\u2014 (\S+) (\S+)$/.exec(line);
    if (!m) throw new Error('signature');
    return { name: m[1], id: Buffer.from(m[2], 'base64').subarray(0, 4), bytes: Buffer.from(m[2], 'base64').subarray(4) };
  });
  return { text, origin, size: Number(size), root: Buffer.from(r, 'base64'), signatures };
}
export function isSigned(note, keyText) {
  const k = readKey(keyText), s = note.signatures.find(s => s.name === k.name && s.id.equals(k.id));
  if (!s) return false;
  if (k.type === 1) return crypto.verify(null, Buffer.from(note.text), k.key, s.bytes);
  const time = s.bytes.readBigUInt64BE(0);
  return crypto.verify(null, Buffer.from(`cosignature/v1\ntime ${time}\n${note.text}`), k.key, s.bytes.subarray(8));
}

// ---- Bodies ------------------------------------------------------------------------------------------

function unpack(b) {
  let at = 0;
  const take = n => { if (at + n > b.length) throw new Error('short'); at += n; return b.subarray(at - n, at); };
  const uint = n => { let v = 0n; for (const x of take(n)) v = v << 8n | BigInt(x); return v <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(v) : v; };
  const map = n => { const o = {}; while (n--) { const k = value(); if (k in o) throw new Error('twice'); o[k] = value(); } return o; };
  function value() {
    const t = take(1)[0];
    if (t < 0x80) return t;
    if (t < 0x90) return map(t & 15);
    if (t < 0xa0) return Array.from({ length: t & 15 }, value);
    if (t < 0xc0) return take(t & 31).toString();
    if (t >= 0xe0) return t - 256;
    switch (t) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return Buffer.from(take(uint(1 << (t - 0xc4))));
      case 0xcb: return take(8).readDoubleBE(0);
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return uint(1 << (t - 0xcc));
      case 0xd0: return take(1).readInt8(0);
      case 0xd1: return take(2).readInt16BE(0);
      case 0xd2: return take(4).readInt32BE(0);
      case 0xd3: return Number(take(8).readBigInt64BE(0));
      case 0xd9: case 0xda: case 0xdb: return take(uint(1 << (t - 0xd9))).toString();
      case 0xdc: case 0xdd: return Array.from({ length: uint(t === 0xdc ? 2 : 4) }, value);
      case 0xde: case 0xdf: return map(uint(t === 0xde ? 2 : 4));
      default: throw new Error('type ' + t);
    }
  }
  const v = value();
  if (at !== b.length) throw new Error('rest');
  return v;
}
const plain = v => Buffer.isBuffer(v) ? v.toString('hex') : v;
const same = (a, b) => JSON.stringify(a) === JSON.stringify(plain(b));
const bytesOf = v => Buffer.isBuffer(v) ? v : Buffer.from(v, 'hex');

// ---- Verifying -----------------------------------------------------------------------------------------

export function verify(text, { key, witness } = {}) {
  const faults = [], fault = (from, to, what) => faults.push({ from, to, what });
  const lines = text.split('\n').filter(Boolean).map(l => JSON.parse(l));
  const meta = lines[0], of = kind => lines.filter(l => l.kind === kind);
  if (meta.kind !== 'meta' || meta.format !== 'aiex-audit/1') fault(0, 0, 'meta');
  key ??= meta.key;
  const redacted = new Set(of('redaction').map(l => l.seq)), leaves = [], writers = {};
  let next = 0, known = true;
  for (const e of of('entry')) {
    const body = Buffer.from(e.body, 'base64');
    let b;
    if (e.seq < next) { fault(e.seq, e.seq, 'moved'); continue; }
    if (e.seq > next) { fault(next, e.seq - 1, 'missing'); known = false; for (const w in writers) writers[w].gap = true; }
    next = e.seq + 1;
    leaves.push(leafHash(body));
    try { b = meta.encoding === 'json' ? JSON.parse(body) : unpack(body); } catch { fault(e.seq, e.seq, 'body'); continue; }
    for (const k in e.view) if (!(k in b) || !same(e.view[k], b[k])) fault(e.seq, e.seq, 'view');
    if (e.writer !== b.writer || e.wseq !== b.wseq) fault(e.seq, e.seq, 'view');
    const w = writers[b.writer] ??= { wseq: 0, chain: ZERO, last: e.seq, gap: !known };
    if (!w.gap && b.wseq !== w.wseq) fault(w.last, e.seq, 'wseq');
    else if (!w.gap && !bytesOf(b.prev).equals(w.chain)) fault(w.last, e.seq, 'chain');
    Object.assign(w, { wseq: b.wseq + 1, chain: chainHash(bytesOf(b.prev), leafHash(body)), last: e.seq, gap: false });
    if (e.payload !== undefined) {
      if (!b.commit || !commitment(Buffer.from(e.salt, 'base64'), Buffer.from(e.payload, 'base64')).equals(bytesOf(b.commit))) fault(e.seq, e.seq, 'payload');
    } else if (b.commit && !redacted.has(e.seq)) fault(e.seq, e.seq, 'payload');
  }
  const heads = new Map();
  let proven = 0, bad = false;
  const head = (text, what) => {
    const n = readNote(text), last = Math.max(n.size - 1, 0);
    if (n.origin !== meta.origin || !isSigned(n, key)) { fault(0, last, 'signature'); return; }
    heads.set(n.size, n.root);
    if (n.size > next) { fault(next, last, what); bad = true; return; }
    if (!known) return;
    if (!root(leaves, 0, n.size).equals(n.root)) { if (!bad) fault(Math.min(proven, last), last, 'root'); bad = true; } else proven = Math.max(proven, n.size);
  };
  for (const h of of('head')) try { head(h.note, 'cut'); } catch { fault(0, Math.max(next - 1, 0), 'note'); }
  if (witness) head(witness, 'rollback');
  if (known && !bad && proven < next) fault(proven, next - 1, 'uncovered');
  const rootOf = n => heads.get(n) ?? (known && n <= next ? root(leaves, 0, n) : null);
  for (const p of of('inclusion')) {
    const r = rootOf(p.size), leaf = Buffer.from(p.leaf, 'hex');
    if (!r || !rootFromPath(p.index, p.size, leaf, p.proof.map(h => Buffer.from(h, 'hex')))?.equals(r)) fault(p.index, p.index, 'inclusion');
    else if (known && leaves[p.index] && !leaves[p.index].equals(leaf)) fault(p.index, p.index, 'leaf');
  }
  for (const p of of('consistency')) {
    const a = rootOf(p.size1), b = rootOf(p.size2);
    if (!a || !b || !isConsistent(p.size1, p.size2, a, b, p.proof.map(h => Buffer.from(h, 'hex')))) fault(Math.min(p.size1, p.size2 - 1), p.size2 - 1, 'consistency');
  }
  return faults;
}

// ---- Writing ---------------------------------------------------------------------------------------------

function pack(v) {
  const head = (fix, max, t8, n) => n <= max ? [fix | n] : n < 256 ? [t8, n] : [t8 + 1, n >> 8, n & 255];
  if (Buffer.isBuffer(v)) return Buffer.concat([Buffer.from([0xc4, v.length]), v]);
  if (typeof v === 'string') { const b = Buffer.from(v); return Buffer.concat([Buffer.from(head(0xa0, 31, 0xd9, b.length)), b]); }
  if (typeof v === 'number') {
    if (v < 128) return Buffer.from([v]);
    const b = Buffer.alloc(9); b[0] = 0xcf; b.writeBigUInt64BE(BigInt(v), 1); return b;
  }
  const keys = Object.keys(v);
  return Buffer.concat([Buffer.from([0x80 | keys.length]), ...keys.flatMap(k => [pack(k), pack(v[k])])]);
}

// entries: {writer, type, actor, subject, payload?}. Gives {text, key, notes: size -> note}.
export function write(entries, { encoding = 'msgpack', origin = 'other.example/log', heads = [entries.length], redact = [] } = {}) {
  const pair = crypto.generateKeyPairSync('ed25519');
  const raw = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(12), id = keyId(origin, 1, raw);
  const key = `${origin}+${id.toString('hex')}+${Buffer.concat([Buffer.from([1]), raw]).toString('base64')}`;
  const lines = [{ kind: 'meta', format: 'aiex-audit/1', origin, encoding }], leaves = [], writers = {}, notes = {};
  entries.forEach((e, seq) => {
    const w = writers[e.writer] ??= { wseq: 0, chain: ZERO };
    const show = b => encoding === 'json' ? b.toString('hex') : b;
    const body = { writer: e.writer, wseq: w.wseq, prev: show(w.chain), time: 1795262400000 + seq, type: e.type, actor: e.actor, subject: e.subject };
    const line = { kind: 'entry', seq };
    if (e.payload !== undefined) {
      const salt = crypto.randomBytes(16);
      body.commit = show(commitment(salt, e.payload));
      if (!redact.includes(seq)) Object.assign(line, { payload: Buffer.from(e.payload).toString('base64'), salt: salt.toString('base64') });
    }
    const bytes = encoding === 'json' ? Buffer.from(JSON.stringify(body, null, 1)) : pack(body), leaf = leafHash(bytes);
    Object.assign(line, { body: bytes.toString('base64'), view: Object.fromEntries(Object.entries(body).map(([k, v]) => [k, plain(v)])), writer: e.writer, wseq: w.wseq });
    Object.assign(w, { wseq: w.wseq + 1, chain: chainHash(w.chain, leaf) });
    leaves.push(leaf);
    lines.push(line);
    if (redact.includes(seq)) lines.push({ kind: 'redaction', seq, reason: 'r', actor: 'a', time: 1 });
  });
  const sign = size => {
    const text = `${origin}\n${size}\n${root(leaves, 0, size).toString('base64')}\n`;
    return notes[size] = `${text}\n\u2014 ${origin} ${Buffer.concat([id, crypto.sign(null, Buffer.from(text), pair.privateKey)]).toString('base64')}\n`;
  };
  for (const size of heads) lines.push({ kind: 'head', note: sign(size) });
  const last = heads.at(-1), hex = p => p.map(h => h.toString('hex'));
  lines.push({ kind: 'inclusion', index: 2, size: last, leaf: leaves[2].toString('hex'), proof: hex(path(leaves, 2, 0, last)) });
  lines.push({ kind: 'consistency', size1: heads[0], size2: last, proof: hex(consistency(leaves, heads[0], 0, last)) });
  return { text: lines.map(l => JSON.stringify(l) + '\n').join(''), key, notes };
}
