// Templates and limits go back to a checkpoint as an operator does it, and are used as they were through
// HTTP; keys stay. Whoever is killed in the middle: the same command does the rest, nothing happens twice.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Node } from './node.mjs';

const node = new Node();
const only = ['00-host.ini', '10-resolver.ini', '25-provider-offline.ini', '28-service-gateway.ini', '30-coordinator.ini', '32-ledger.ini', '34-templates.ini', '35-prices.ini', '38-store.ini', '39-checkpoints.ini', '39-recorder.ini', '40-interface-http.ini', '50-interface-cli.ini'];

before(async () => {
  await node.start({}, { only, http: true, ini: '[service_gateway]\naudit = none\n' });
});
after(async () => {
  assert.deepEqual(await node.stop(), { code: 0, signal: null });
});

async function aiex(...args) {
  const r = await node.aiex(...args);
  assert.equal(r.code, 0, `aiex ${args.join(' ')}: ${r.stdout}${r.stderr}`);
  return r;
}

async function put(name, text) {
  const file = path.join(node.dir, 'text');
  fs.writeFileSync(file, text);
  await aiex('template', 'put', name, file);
}

const show = async name => (await node.aiex('template', 'show', name)).stdout.trim();
const limits = async () => Object.fromEntries(JSON.parse((await aiex('limit', 'list', '--json')).stdout).filter(l => l.rpm || l.tpm).map(l => [`${l.scope} ${l.name}`, l.rpm]));
const total = out => JSON.parse(out.trim().split('\n').at(-1)).total;
const restore = async (...args) => total((await aiex('checkpoint', 'restore', 'then', '--json', ...args)).stdout);

async function chat(key, template) {
  const r = await fetch(`${node.url}/v1/chat/completions`, {
    method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'offline', messages: [{ role: 'user', content: 'hi' }], ...(template && { aiex_template: { name: template } }) }),
  });
  await r.text();
  return r.status;
}

async function kill(name) {
  const pid = JSON.parse((await aiex('plugin', 'list', '--json')).stdout).find(p => p.name === name).pid;
  if (pid > 0) try { process.kill(pid, 'SIGKILL'); } catch (e) { assert.equal(e.code, 'ESRCH'); }
}

let ann, gone;

test('templates and limits are as they were, and used so', async () => {
  const made = async (...args) => (await aiex('key', 'create', ...args)).stdout.trim().split('\n').at(-1).trim();
  ann = await made('ann', '--user', 'ann');
  gone = await made('gone');
  await put('house', 'the style of then');
  await put('lost', 'it was here');
  await aiex('limit', 'set', 'user', 'ann', '--rpm', '2');
  await aiex('checkpoint', 'create', 'then');
  await put('house', 'another style');
  await put('fresh', 'made since');
  await aiex('template', 'remove', 'lost');
  await aiex('limit', 'set', 'user', 'ann', '--rpm', '1000');
  await aiex('limit', 'set', 'team', 'red', '--rpm', '5');
  const id = JSON.parse((await aiex('key', 'list', '--json')).stdout).find(k => k.name === 'gone').id;
  await aiex('key', 'revoke', id);
  assert.equal(await chat(ann, 'lost'), 404);

  const dry = await aiex('checkpoint', 'restore', '--dry-run', 'then', '--parts', 'templates,limits');
  assert.deepEqual(dry.stdout.trim().split('\n').sort(), [
    'added  templates  lost  version 1 again',
    'changed  limits  user ann  rpm 1000 -> 2',
    'changed  templates  house  version 2 -> that of 1',
    'limits: 1 changed, 1 removed',
    'removed  limits  team red  rpm 5 -> 0',
    'removed  templates  fresh  made since',
    'templates: 1 added, 1 changed, 1 removed',
  ]);
  assert.equal(await show('house'), 'another style');
  assert.deepEqual(await restore('--parts', 'templates,limits'), { added: 1, changed: 2, removed: 2 });
  assert.equal(await show('house'), 'the style of then');
  assert.equal(await show('lost'), 'it was here');
  assert.equal(await show('fresh'), '');
  assert.deepEqual(await limits(), { 'user ann': 2 });
  assert.equal(await chat(ann, 'fresh'), 404);
  assert.deepEqual(await restore('-n', '--parts', 'templates,limits'), {});
});

test('through HTTP the limit of then holds, and a revoked key stays revoked', async () => {
  await node.until(async () => (await chat(ann, 'lost')) === 200, 'a request within the limit', 70000);
  const statuses = [];
  for (let i = 0; i < 4; i++) statuses.push(await chat(ann, 'house'));
  assert.ok(statuses.includes(429), `the limit of two requests a minute: ${statuses}`);
  assert.equal(await chat(gone), 401);
  const r = await aiex('checkpoint', 'restore', 'then', '--no-backup', '--keys', '--parts', 'keys');
  assert.match(r.stdout, /left {2}keys {2}key [0-9a-f]{12} {2}it was revoked since and stays so/);
  assert.equal(await chat(gone), 401);
});

test('the way back is there', async () => {
  const list = JSON.parse((await aiex('checkpoint', 'list', '--json')).stdout).map(c => c.name);
  assert.ok(list.includes('before-then'));
  await aiex('checkpoint', 'restore', 'before-then', '--no-backup', '--parts', 'templates,limits');
  assert.equal(await show('house'), 'another style');
  assert.equal(await show('fresh'), 'made since');
  assert.equal(await show('lost'), '');
  assert.deepEqual(await limits(), { 'user ann': 1000, 'team red': 5 });
});

test('whoever is killed in the middle, all is as then', async () => {
  const call = (method, body) => node.aiex('call', 'templates', `templates.${method}`, JSON.stringify(body));
  const many = Array.from({ length: 150 }, (_, i) => `many${i}`);
  const fill = async text => { for (const name of many) assert.equal((await call('put', { name, text })).code, 0); };
  await fill('then');
  await aiex('checkpoint', 'create', 'filled', '--parts', 'templates,limits');
  for (const victim of ['service_templates', 'service_checkpoints', 'service_gateway', 'store_bdb']) {
    await fill('now');
    await aiex('limit', 'set', 'user', 'ann', '--rpm', '77');
    const running = node.aiex('checkpoint', 'restore', 'filled', '--no-backup', '--count', '0');
    await pause(20 + Math.random() * 100);
    await kill(victim);
    await running;
    await node.until(async () => (await node.aiex('checkpoint', 'restore', 'filled', '--no-backup', '--count', '0')).code === 0, `the rest after ${victim} died`, 60000);
    const left = await aiex('checkpoint', 'restore', '-n', '--json', 'filled');
    assert.deepEqual(total(left.stdout), {}, victim);
    for (const name of ['many0', 'many77', 'many149']) assert.equal(await show(name), 'then');
    assert.deepEqual(await limits(), { 'user ann': 1000, 'team red': 5 });
  }
  // each version was withdrawn once
  const events = (await aiex('events', 'read', 'templates', '--json')).stdout.trim().split('\n').map(l => JSON.parse(l));
  const withdrawn = events.filter(e => e.type === 'template.withdrawn' && e.data.name === 'many5').map(e => e.data.version);
  assert.deepEqual(withdrawn, [2, 3, 4, 5]);
  assert.ok(events.every(e => e.type !== 'template.withdrawn' || e.data.checkpoint));
});

test('every night there is one, when something changed', async () => {
  const list = async () => JSON.parse((await aiex('checkpoint', 'list', '--json')).stdout).filter(c => c.tags.includes('nightly'));
  const run = async () => {
    const runs = async () => JSON.parse((await aiex('job', 'list', '--json')).stdout).find(j => j.name === 'nightly-checkpoint').runs;
    const before = await runs();
    await aiex('job', 'run', 'nightly-checkpoint');
    await node.until(async () => await runs() > before, 'the job', 30000);
  };
  await run();
  assert.equal((await list()).length, 1);
  await run();
  assert.equal((await list()).length, 1);
  assert.match(fs.readFileSync(node.log, 'utf8'), /nothing has changed since checkpoint '[0-9-]+', so no other one was made/);
  await put('house', 'a third style');
  await run();
  assert.equal((await list()).length, 2);
  await aiex('job', 'run', 'nightly-prune');
  assert.equal((await list()).length, 2);
});
