// One aiex-host on the default conf.d (or `only` some files of it), on a port of its own, for the acceptance tests: start(), then
// `url`, `aiex(...)`, stop(). `prepare` gets the data folder before the host does. Waits for readiness by asking, with a deadline.
import { spawn, execFile } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const build = process.env.AIEX_BUILD, source = process.env.AIEX_SOURCE;

async function freePort() {
  const s = net.createServer();
  await new Promise(done => s.listen(0, '127.0.0.1', done));
  const { port } = s.address();
  await new Promise(done => s.close(done));
  return port;
}

export class Node {
  async start(env = {}, extra = {}) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'aiex-accept-'));
    const conf = path.join(this.dir, 'conf.d');
    fs.cpSync(path.join(source, 'conf.d'), conf, { recursive: true, filter: f => f.endsWith('conf.d') || !extra.only || extra.only.some(o => f.endsWith(o)) });
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    fs.writeFileSync(path.join(conf, '90-test.ini'), (extra.only && !extra.http && !extra.only.includes('40-interface-http.ini') ? '' : `[interface_http]\nlisten = ${extra.listen ?? ''}127.0.0.1:${this.port}\n`) +
      (extra.ini ?? ''));
    this.data = path.join(this.dir, 'data');
    extra.prepare?.(this.data);
    this.log = path.join(this.dir, 'log');
    const log = fs.openSync(this.log, 'w');
    this.child = spawn(path.join(build, 'bin/aiex-host'), ['--config', conf, '--data', this.data, '--log', 'text'],
      { stdio: ['ignore', log, log], env: { ...process.env, ...env } });
    this.exited = new Promise(done => this.child.on('exit', (code, signal) => done({ code, signal })));
    const until = Date.now() + 30000;
    while ((await this.aiex('status', '--check')).code !== 0) {
      if (Date.now() > until || this.child.exitCode !== null) throw new Error('the host did not get ready:\n' + fs.readFileSync(this.log, 'utf8'));
      await pause(20);
    }
    return this;
  }

  aiex(...args) {
    return this.aiexIn('', ...args);
  }

  // The same with something on its standard input.
  aiexIn(input, ...args) {
    return new Promise(done => {
      const child = execFile(path.join(build, 'bin/aiex'), args, { env: { ...process.env, AIEX_SOCKET: path.join(this.data, 'run/aiex.sock') }, timeout: 60000 },
        (e, stdout, stderr) => done({ code: e ? e.code : 0, stdout, stderr }));
      child.stdin.on('error', () => {}); // one that has ended reads nothing more
      child.stdin.end(input);
    });
  }

  // Asks until `holds` says yes; throws after `ms`.
  async until(holds, what, ms = 10000) {
    const end = Date.now() + ms;
    while (!await holds()) {
      if (Date.now() > end) throw new Error('waited in vain for ' + what);
      await pause(10);
    }
  }

  async stop() {
    this.child.kill('SIGTERM');
    const how = await this.exited;
    fs.rmSync(this.dir, { recursive: true, force: true });
    return how;
  }
}
