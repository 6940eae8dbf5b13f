// A scripted model server: OpenAI chat completions on loopback, whose last user message says what
// to do. Words of the script:
//   say TEXT             answer TEXT, in pieces when streamed
//   count N              answer N numbers, one piece each, one per millisecond when streamed
//   call NAME JSON       ask for the tool NAME with these arguments; after its result answer "done"
//   status N [SECONDS]   answer that HTTP status, with Retry-After
//   flaky KEY N          503 for the first N requests with this key, then "recovered"
//   cut N | stall N      break the connection, or fall silent, after N pieces
//   broken N             an event that is not JSON after N pieces
//   unended              a stream without its closing marker
//   html                 a web page with status 200
// `log` holds one record per request: {path, model, stream, script, gone: client left early, auth}.
import http from 'node:http';

const MODELS = ['scripted-large', 'scripted-small'];
const usage = (i, o) => ({ prompt_tokens: i, completion_tokens: o, total_tokens: i + o });

function plan(body) {
  const messages = body.messages ?? [];
  const text = m => typeof m.content === 'string' ? m.content
    : (m.content ?? []).map(p => p.text ?? '').join('');
  const last = messages.filter(m => m.role === 'user').map(text).at(-1) ?? '';
  const [verb, ...rest] = last.split(' ');
  return { verb, rest, line: last.slice(verb.length + 1), answered: messages.at(-1)?.role === 'tool' };
}

export class ModelServer {
  log = [];
  flaky = new Map();

  constructor() {
    this.server = http.createServer((req, res) => this.serve(req, res).catch(() => res.destroy()));
    this.server.keepAliveTimeout = 60000;
  }

  async listen() {
    await new Promise(done => this.server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${this.server.address().port}/v1`;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  json(res, status, value, headers = {}) {
    res.writeHead(status, { 'content-type': 'application/json', ...headers });
    res.end(JSON.stringify(value));
  }

  error(res, status, seconds) {
    this.json(res, status, { error: { message: `scripted ${status}`, type: status === 400 ? 'invalid_request_error' : 'server_error', code: null, param: null } },
      seconds ? { 'retry-after': seconds } : {});
  }

  async serve(req, res) {
    const chunks = [];
    for await (const c of req) chunks.push(c);
    if (req.method === 'GET' && req.url.startsWith('/v1/models'))
      return this.json(res, 200, { object: 'list', data: MODELS.map(id => ({ id, object: 'model', created: 1, owned_by: 'tests' })) });
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const p = plan(body);
    const entry = { path: req.url, model: body.model, stream: !!body.stream, script: p.verb, gone: false, auth: req.headers.authorization, keys: Object.keys(body) };
    this.log.push(entry);
    res.on('close', () => { entry.gone = !res.writableFinished; });
    await this.answer(body, p, res);
  }

  async answer(body, p, res) {
    if (p.verb === 'status') return this.error(res, Number(p.rest[0]), p.rest[1]);
    if (p.verb === 'flaky') {
      const n = (this.flaky.get(p.rest[0]) ?? 0) + 1;
      this.flaky.set(p.rest[0], n);
      if (n <= Number(p.rest[1])) return this.error(res, 503);
      p = { verb: 'say', line: 'recovered', rest: ['recovered'] };
    }
    if (p.verb === 'html') { res.writeHead(200, { 'content-type': 'text/html' }); return res.end('<html>hello</html>'); }
    const tool = p.verb === 'call' && !p.answered;
    const pieces = tool ? [] : p.answered ? ['done'] : p.verb === 'count' ? Array.from({ length: Number(p.rest[0]) }, (_, i) => `${i} `)
      : p.verb === 'say' ? p.line.split(/(?<= )/) : Array.from({ length: 20 }, (_, i) => `piece${i} `);
    const call = tool && { index: 0, id: 'call_1', type: 'function', function: { name: p.rest[0], arguments: p.rest.slice(1).join(' ') } };
    const finish = tool ? 'tool_calls' : 'stop';
    const base = { id: 'chatcmpl-test', created: 1, model: body.model };
    if (!body.stream) {
      const { index, ...whole } = call || {};
      return this.json(res, 200, { ...base, object: 'chat.completion', usage: usage(5, pieces.length || 1),
        choices: [{ index: 0, finish_reason: finish, message: { role: 'assistant', content: tool ? null : pieces.join(''), ...(tool && { tool_calls: [whole] }) } }] });
    }
    await this.stream(body, p, res, base, call, pieces, finish);
  }

  async stream(body, p, res, base, call, pieces, finish) {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    const event = (delta, finish_reason = null) => res.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    const at = ['cut', 'stall', 'broken'].includes(p.verb) ? Number(p.rest[0]) : -1;
    event({ role: 'assistant', content: '' });
    if (call) event({ tool_calls: [call] });
    for (let i = 0; i < pieces.length && !res.destroyed; i++) {
      if (i === at && p.verb === 'cut') return res.destroy();
      if (i === at && p.verb === 'stall') return;
      if (i === at && p.verb === 'broken') res.write('data: {"choices":[{"delta"\n\n');
      if (!event({ content: pieces[i] })) await new Promise(go => { res.once('drain', go); res.once('close', go); });
      if (p.verb === 'count') await new Promise(go => setTimeout(go, 1));
    }
    if (res.destroyed) return;
    event({}, finish);
    if (body.stream_options?.include_usage)
      res.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [], usage: usage(5, pieces.length || 1) })}\n\n`);
    if (p.verb !== 'unended') res.write('data: [DONE]\n\n');
    res.end();
  }
}
