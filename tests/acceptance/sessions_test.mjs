// Sessions on the real store: what was acknowledged is there, once and in order, whatever cells are
// killed; and `aiex session` shows it.
import assert from 'node:assert/strict';
import { test, before, after } from 'node:test';
import { Node } from './node.mjs';

const node = new Node();

before(async () => {
  await node.start({}, { only: ['00-host.ini', '25-provider-offline.ini', '28-service-gateway.ini', '30-coordinator.ini', '35-prices.ini', '38-store.ini', '39-sessions.ini', '50-interface-cli.ini'] });
});
after(async () => {
  assert.deepEqual(await node.stop(), { code: 0, signal: null });
});

async function call(method, fields, service = 'sessions') {
  const r = await node.aiex('call', service, method, JSON.stringify(fields));
  return r.code === 0 ? JSON.parse(r.stdout) : { failed: r.stderr };
}

async function good(method, fields) {
  const a = await call(method, fields);
  assert.ok(!a.failed, `${method} ${JSON.stringify(fields)}: ${a.failed}`);
  return a;
}

// Until it is acknowledged; what is asked again has the same request.
async function insist(method, fields) {
  let a;
  await node.until(async () => { a = await call(method, fields); return !a.failed; }, `${method}: ${a?.failed}`, 60000);
  return a;
}

async function talk(session) {
  const all = [];
  for (let next = ''; next !== undefined;) {
    const page = await insist('sessions.history', { session, limit: 7, next });
    all.push(...page.events.map(e => e.data.content));
    next = page.next;
  }
  return all.reverse();
}

const say = (session, text) => ({ session, request: text.replaceAll(' ', '-'), messages: [{ role: 'user', content: text }] });

async function kill(...names) {
  const plugins = JSON.parse((await node.aiex('plugin', 'list', '--json')).stdout);
  for (const name of names) process.kill(plugins.find(p => p.name === name).pid, 'SIGKILL');
}

test('a session is made, continued, rolled back and forked', async () => {
  const id = (await node.aiex('session', 'create', '--title', 'First talk', '--user', 'ann')).stdout.trim();
  assert.match(id, /^[a-z2-7]{16}$/);
  for (const text of ['one', 'two', 'three']) await good('sessions.append', say(id, text));
  await good('sessions.set', { session: id, values: { topic: 'numbers' } });
  assert.deepEqual(await talk(id), ['one', 'two', 'three']);
  assert.equal((await node.aiex('session', 'rollback', id, '3')).code, 0);
  assert.deepEqual(await talk(id), ['one', 'two']);
  const fork = (await node.aiex('session', 'fork', id, '--version-of', '5')).stdout.trim();
  await good('sessions.append', say(fork, 'four'));
  assert.deepEqual(await talk(fork), ['one', 'two', 'three', 'four']);
  assert.deepEqual((await good('sessions.get', { session: fork })).values, { topic: 'numbers' });
  const shown = await node.aiex('session', 'show', id);
  assert.ok(shown.stdout.includes('First talk') && shown.stdout.includes('\ntwo\n') && !shown.stdout.includes('three'), shown.stdout);
  assert.equal((await node.aiex('session', 'archive', id)).code, 0);
  assert.deepEqual(JSON.parse((await node.aiex('session', 'list', '--state', 'archived', '--json')).stdout).map(s => s.session), [id]);
  const refused = await call('sessions.append', say(id, 'late'));
  assert.match(refused.failed, /is archived/);
});

test('aiex ask --session records question and answer', async () => {
  const id = (await node.aiex('session', 'create')).stdout.trim();
  const asked = await node.aiex('ask', '--session', id, 'what', 'is', 'it?');
  assert.equal(asked.code, 0, asked.stderr);
  const [question, answer] = await talk(id);
  assert.equal(question, 'what is it?');
  assert.equal(answer.trim(), asked.stdout.trim());
  await good('sessions.close', { session: id });
  const again = await node.aiex('ask', '--session', id, 'more');
  assert.notEqual(again.code, 0);
  assert.match(again.stderr, new RegExp(`session '${id}' is closed`));
  const without = await node.aiex('ask', '--session', 'nobodys', 'and', 'now?');
  assert.notEqual(without.code, 0);
  assert.match(without.stderr, /there is no session 'nobodys'/);
  assert.equal((await talk(id)).length, 2);
});

test('kill -9 of both cells loses nothing', async () => {
  await good('sessions.create', { session: 'kept', title: 'Kept', values: { a: 1 } });
  await good('sessions.append', say('kept', 'hello'));
  await good('sessions.create', { session: 'away' });
  await good('sessions.archive', { session: 'away' });
  await kill('service_sessions', 'store_bdb');
  const a = await insist('sessions.get', { session: 'kept' });
  assert.equal(a.title, 'Kept');
  assert.equal(a.messages, 1);
  assert.deepEqual(a.values, { a: 1 });
  assert.deepEqual(await talk('kept'), ['hello']);
  assert.equal((await insist('sessions.get', { session: 'away' })).state, 'archived');
  assert.equal((await insist('sessions.append', say('kept', 'hello'))).messages, 1);
  assert.equal((await insist('sessions.append', say('kept', 'again'))).messages, 2);
});

test('under load, what was acknowledged is there once and in order', async () => {
  for (const victims of [['service_sessions'], ['store_bdb'], ['service_sessions', 'store_bdb']]) {
    const names = [0, 1, 2].map(n => `load-${victims.join('').length}-${n}`);
    const said = names.map(() => []);
    let running = true;
    for (const session of names) await insist('sessions.create', { session, request: 'new' });
    const workers = names.map(async (session, n) => {
      for (let i = 0; running; i++) {
        await insist('sessions.append', say(session, `m${i}`));
        said[n].push(`m${i}`);
      }
    });
    await node.until(() => said.every(s => s.length >= 5), 'load', 60000);
    await kill(...victims);
    const mark = said.map(s => s.length);
    await node.until(() => said.every((s, n) => s.length >= mark[n] + 5), 'it to go on', 60000);
    running = false;
    await Promise.all(workers);
    for (const [n, session] of names.entries()) {
      assert.deepEqual(await talk(session), said[n], `${victims}: ${session}`);
      assert.equal((await insist('sessions.get', { session })).messages, said[n].length);
    }
  }
});

test('a plugin that is replaced under load refuses nothing', async () => {
  const failed = [];
  let running = true, n = 0;
  await good('sessions.create', { session: 'moved' });
  await good('sessions.create', { session: 'moved2' });
  const workers = ['moved', 'moved2'].map(async session => {
    for (let i = 0; running; i++) {
      const a = await call('sessions.append', say(session, `m${i}`));
      if (a.failed) failed.push(a.failed);
      n++;
    }
  });
  for (let round = 0; round < 4; round++) {
    const mark = n;
    assert.equal((await node.aiex('plugin', 'reload', 'service_sessions')).code, 0);
    await node.until(() => n > mark + 6, 'it to go on', 60000);
  }
  running = false;
  await Promise.all(workers);
  assert.deepEqual(failed, []);
});

test('a second instance stands by', async () => {
  await good('sessions.create', { session: 'mine' });
  const { epoch } = await good('sessions.status', {});
  const loaded = await node.aiex('plugin', 'load', 'service_sessions', '--name', 'service_sessions:two');
  assert.equal(loaded.code, 0, loaded.stderr);
  await node.until(async () => (await call('sessions.status', {}, 'service_sessions:two')).reason?.includes("the instance 'service_sessions' serves them"), 'it to say so');
  await good('sessions.append', say('mine', 'still'));
  assert.equal((await good('sessions.status', {})).epoch, epoch);
  assert.equal((await node.aiex('plugin', 'remove', 'service_sessions:two')).code, 0);
  await good('sessions.append', say('mine', 'and-still'));
});

test('what is deleted is erased in the store', async () => {
  await good('sessions.create', { session: 'secret', title: 'Secret' });
  await good('sessions.append', say('secret', 'my password'));
  assert.equal((await node.aiex('session', 'delete', 'secret')).code, 0);
  await node.until(async () => (await good('sessions.status', {})).erased >= 1, 'erasing');
  const raw = await node.aiex('call', 'store', 'store.read', JSON.stringify({ stream: 'session/secret' }));
  assert.equal(raw.code, 0);
  assert.ok(!raw.stdout.includes(Buffer.from('my password').toString('base64').slice(0, 8)) && raw.stdout.includes('session.deleted'), raw.stdout);
  assert.deepEqual(await talk('secret'), []);
  assert.match((await call('sessions.append', say('secret', 'x'))).failed, /is deleted/);
});
