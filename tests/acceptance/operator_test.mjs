// What an operator types, against the real programs: questions from the shell, their records, keys,
// limits and templates; and what is said when something is wrong or missing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { VendorServer } from '../peers/vendor_server.mjs';
import { ask } from './ask.mjs';
import { Node } from './node.mjs';

const model = 'provider_openai/scripted-large';
const ini = '[service_coordinator]\nprice.scripted = for=scripted-* input=1 output=2\nfallback = none\nalias.fast = provider_openai/scripted-small\n';
let vendor, node;

before(async () => {
  vendor = new VendorServer();
  await vendor.listen();
  node = await new Node().start(vendor.env(), { ini });
  await node.until(async () => (await ask(node.url, 'chat', { model, script: 'say up' })).text === 'up', 'the provider');
});
after(async () => {
  assert.deepEqual(await node?.stop(), { code: 0, signal: null });
  vendor?.close();
});

async function good(...args) {
  const r = await node.aiex(...args);
  assert.equal(r.code, 0, `aiex ${args.join(' ')}: ${r.stderr}`);
  return r;
}
const read = async (...args) => JSON.parse((await good(...args, '--json')).stdout);
async function refused(code, says, ...args) {
  const r = await node.aiex(...args);
  assert.equal(r.code, code, `aiex ${args.join(' ')}: ${r.stdout}${r.stderr}`);
  assert.match(r.stderr, says);
}

test('a question from the shell is admitted and recorded like any other', async () => {
  assert.equal((await good('ask', '-m', model, 'say hello world')).stdout, 'hello world');
  const a = await read('ask', '-m', 'fast', '--session', 'new', 'say hi');
  assert.deepEqual({ ...a, id: 0 }, { text: 'hi', id: 0, model: 'scripted-small', provider: 'provider_openai', input_tokens: 5,
    output_tokens: 1, cost: a.cost, finish: 'stop', cached: null, offline: false, session: a.session });
  assert.match(a.session, /^[a-z2-7]{16}$/);
  await node.until(async () => (await node.aiex('route', 'show', a.id)).code === 0, 'its record');
  const r = await read('route', 'show', a.id);
  assert.deepEqual([r.interface, r.principal.key, r.alias, r.model, r.cost], ['interface_cli', 'local', 'fast', 'scripted-small', 7]);
  assert.match((await good('route', 'show', a.id)).stdout, /result +ok\n/);
  assert.equal((await read('usage', '--by', 'key', '--key', 'local'))[0].requests, 2);
  assert.match((await good('usage', 'tail', '-n', '1')).stdout, new RegExp(`${a.id}  local  provider_openai  scripted-small  5  1  \\$0\\.000007 .* ok\n`));
  assert.notEqual((await good('ask', 'say who')).stdout.trim(), '', 'without a model the node chooses');
  await refused(5, /no provider has the model 'nonesuch'/, 'ask', '-m', 'nonesuch', 'say x');
  await refused(5, /no record has the id '00000000000000ff'/, 'route', 'show', '00000000000000ff');
  await refused(1, /'by' has 'nonsense'; columns are/, 'usage', '--by', 'nonsense');
});

test('interfaces are listed', async () => {
  const { interfaces } = JSON.parse((await good('call', 'gateway', 'gateway.interfaces', '{"local":true}')).stdout);
  assert.deepEqual(interfaces.map(i => [i.name, i.protocol, i.alive]).sort(),
    [['interface_cli', 'control', true], ['interface_http', 'http', true]]);
});

test('keys and limits', async () => {
  const secret = (await good('key', 'create', 'alice', '--user', 'alice', '--team', 'core', '--models', 'scripted-*', '--rpm', '60', '--budget-day', '5', '--expires', '2126-01-31')).stdout.trim();
  assert.match(secret, /^ak-[A-Za-z0-9_-]{43}$/);
  const answer = key => ask(node.url, 'chat', { model, script: 'say in', headers: { authorization: `Bearer ${key}` } });
  assert.equal((await ask(node.url, 'chat', { model: 'scripted-large', script: 'say in', headers: { authorization: `Bearer ${secret}` } })).text, 'in');
  const [k] = await read('key', 'list');
  assert.deepEqual([k.name, k.team, k.rpm, k.budget_day, k.revoked], ['alice', 'core', 60, 5000000, false]);
  assert.match((await good('key', 'list')).stdout, new RegExp(`${k.id}  alice .*\\$5\\.00`));
  await good('key', 'set', k.id, '--models', '', '--rpm', '0');
  assert.equal((await answer(secret)).text, 'in');
  const next = await read('key', 'rotate', k.id, '--grace', '1h');
  assert.equal((await answer(secret)).text, 'in', 'the old secret goes on');
  assert.equal((await answer(next.key)).text, 'in');
  await good('limit', 'set', 'team', 'core', '--budget-day', '0.00001');
  assert.equal((await answer(next.key)).status, 402);
  const team = (await read('limit', 'list')).find(l => l.scope === 'team');
  assert.deepEqual([team.name, team.budget_day], ['core', 10]);
  assert.match((await good('limit', 'list')).stdout, /team +core .*\$0\.00001/);
  await good('key', 'revoke', k.id);
  assert.equal((await answer(next.key)).status, 401);
  for (const verb of [['revoke', 'nope'], ['rotate', 'nope'], ['set', 'nope', '--rpm', '1']])
    await refused(5, /no key has this id/, 'key', ...verb);
  await refused(1, /'scope' is not one of user, team, project/, 'limit', 'set', 'planet', 'x', '--rpm', '1');
});

test('templates', async () => {
  const file = path.join(node.dir, 'hello.txt');
  fs.writeFileSync(file, 'Hello {{name}}!\n');
  await good('template', 'put', 'hello', file);
  assert.equal((await read('template', 'put', 'hello', file)).version, 2);
  assert.equal((await good('template', 'show', 'hello', '--version-of', '1')).stdout, 'Hello {{name}}!\n');
  assert.equal((await good('template', 'render', 'hello', 'name=World')).stdout, 'Hello World!\n');
  assert.equal((await read('template', 'list')).find(t => t.name === 'hello').version, 2);
  await refused(1, /the variable 'name' is missing/, 'template', 'render', 'hello');
  await refused(5, /has no version 9/, 'template', 'show', 'hello', '--version-of', '9');
  await refused(5, /hello\.none/, 'template', 'put', 'hello', path.join(node.dir, 'hello.none'));
  await good('template', 'remove', 'hello');
  await refused(5, /no template 'hello'/, 'template', 'show', 'hello');
  await refused(4, /comes with Aiex/, 'template', 'remove', 'review');
});

test('a service that does not run is named', async () => {
  for (const [instance, service, ...verb] of [['service_templates', 'templates', 'template', 'list'], ['service_ledger', 'ledger', 'usage']]) {
    await good('plugin', 'remove', instance);
    await node.until(async () => /nobody serves/.test((await node.aiex(...verb)).stderr), `${instance} to be gone`);
    await refused(1, new RegExp(`nobody serves '${service}'`), ...verb);
  }
});
