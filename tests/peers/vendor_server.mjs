// A scripted vendor on one loopback port: OpenAI chat completions and responses, Anthropic messages,
// Ollama chat and the lists that providers ask for (LM Studio's, too). The last user message says
// what to do; `log` holds one record per model request. Good answers:
//   say TEXT            TEXT, in pieces when streamed          think TEXT   the same after some reasoning
//   count N             N numbers, one every millisecond when streamed
//   call NAME JSON      a call of the tool NAME; after its result the text "done"
//   seen                the request's body as text
// Faults, each named after what the vendor does; N counts the good pieces before it:
//   status N [SECONDS]  flaky KEY N STATUS  context  filter  html  redirect  reset  silence  slow MS
//   cut N  stall N  broken N  unended  late  double  disorder  halfclosed N  halftool  nousage
//   only NAME SCRIPT...  what the server of that name does; others say "from another"
//   badusage  bomb  flood  endless  informational  failed (an error event after two pieces)
import http from 'node:http';
import zlib from 'node:zlib';

export const MODELS = ['scripted-large', 'scripted-small'];
const TYPES = { 400: 'invalid_request_error', 401: 'authentication_error', 403: 'permission_error',
  404: 'not_found_error', 429: 'rate_limit_error', 529: 'overloaded_error' };
const json = o => JSON.stringify(o);
let packedBomb;
export const bomb = () => packedBomb ??= zlib.gzipSync(Buffer.alloc(256 << 20, 'x'));
const text = c => typeof c === 'string' ? c : (c ?? []).map(p => p.text ?? '').join('');

/* ---- What was asked: the script, and whether the last turn brings a tool's result ---- */

function turns(path, b) {
  if (path.endsWith('/responses')) {
    const input = typeof b.input === 'string' ? [{ role: 'user', content: b.input }] : b.input ?? [];
    return input.map(i => ({ role: /_output$/.test(i.type ?? '') ? 'tool' : i.role, text: text(i.content) }));
  }
  if (path.endsWith('/generate') || path.endsWith('/completions') && !path.endsWith('/chat/completions'))
    return [{ role: 'user', text: text(b.prompt) }];
  return (b.messages ?? []).map(m => ({
    role: Array.isArray(m.content) && m.content.some(p => p.type === 'tool_result') ? 'tool' : m.role,
    text: text(m.content) }));
}

function plan(path, b) {
  const all = turns(path, b), last = all.filter(t => t.role === 'user').at(-1)?.text ?? '';
  const line = last.slice(last.lastIndexOf('\n') + 1), [verb, ...rest] = line.split(' ');
  return { verb, rest, line: line.slice(verb.length + 1), answered: all.at(-1)?.role === 'tool' };
}

function pieces(p) {
  if (p.answered) return ['done'];
  if (p.verb === 'say' || p.verb === 'think') return p.line.split(/(?<= )/);
  if (p.verb === 'count') return Array.from({ length: +p.rest[0] }, (_, i) => `${i} `);
  return Array.from({ length: 8 }, (_, i) => `piece${i} `);
}

/* ---- Dialects: a whole answer, and a stream as events {tag, raw} ---- */

const sse = (o, name) => (name ? `event: ${name}\n` : '') + `data: ${typeof o === 'string' ? o : json(o)}\n\n`;
const numbers = (p, n) => p.verb === 'badusage' ? [-5, 1e15] : [5, n];

const chat = {
  whole(b, a) {
    const [i, o] = numbers(a.p, a.pieces.length);
    const calls = a.call && [{ id: 'call_1', type: 'function', function: a.call }];
    return { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: b.model,
      choices: [{ index: 0, finish_reason: a.call ? 'tool_calls' : 'stop', message: { role: 'assistant',
        content: a.call ? null : a.pieces.join(''), ...(a.think && { reasoning_content: a.think }), ...(calls && { tool_calls: calls }) } }],
      ...(a.p.verb !== 'nousage' && { usage: { prompt_tokens: i, completion_tokens: o, total_tokens: i + o } }) };
  },
  stream(b, a) {
    const base = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: b.model };
    const e = (tag, delta, finish_reason = null) => ({ tag, raw: sse({ ...base, choices: [{ index: 0, delta, finish_reason }] }) });
    const list = [e('start', { role: 'assistant', content: '' })], [i, o] = numbers(a.p, a.pieces.length);
    if (a.think) list.push(e('think', { reasoning_content: a.think }));
    if (a.call) {
      list.push(e('open', { tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: a.call.name, arguments: '' } }] }));
      for (const s of a.call.arguments.match(/[\s\S]{1,7}/g)) list.push(e('delta', { tool_calls: [{ index: 0, function: { arguments: s } }] }));
    }
    for (const s of a.pieces) list.push(e('delta', { content: s }));
    list.push(e('stop', {}, a.call ? 'tool_calls' : 'stop'));
    if (b.stream_options?.include_usage && a.p.verb !== 'nousage')
      list.push({ tag: 'usage', raw: sse({ ...base, choices: [], usage: { prompt_tokens: i, completion_tokens: o, total_tokens: i + o } }) });
    list.push({ tag: 'end', raw: sse('[DONE]') });
    return list;
  },
  late: b => sse({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: b.model, choices: [{ index: 0, delta: { content: 'late' }, finish_reason: null }] }),
  failed: () => sse({ error: { message: 'scripted failure', type: 'server_error', code: null, param: null } }),
};

const responses = {
  item(a) {
    return a.call ? { type: 'function_call', id: 'fc_1', call_id: 'call_1', ...a.call, status: 'completed' }
      : { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: a.pieces.join(''), annotations: [] }] };
  },
  object(b, a, status, output) {
    const [i, o] = numbers(a.p, a.pieces.length);
    return { id: 'resp_1', object: 'response', created_at: 1, status, error: null, incomplete_details: null, model: b.model, output,
      parallel_tool_calls: true, tool_choice: 'auto', tools: b.tools ?? [],
      usage: status === 'completed' && a.p.verb !== 'nousage' ? { input_tokens: i, output_tokens: o, total_tokens: i + o,
        input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } } : null };
  },
  whole(b, a) {
    return this.object(b, a, 'completed', [this.item(a)]);
  },
  stream(b, a) {
    let n = 0;
    const e = (tag, type, o) => ({ tag, raw: sse({ type, sequence_number: n++, ...o }, type) }), item = this.item(a);
    const at = { item_id: item.id, output_index: 0 }, list = [
      e('start', 'response.created', { response: this.object(b, a, 'in_progress', []) }),
      e('progress', 'response.in_progress', { response: this.object(b, a, 'in_progress', []) })];
    if (a.call) {
      list.push(e('open', 'response.output_item.added', { output_index: 0, item: { ...item, arguments: '', status: 'in_progress' } }));
      for (const s of a.call.arguments.match(/[\s\S]{1,7}/g)) list.push(e('delta', 'response.function_call_arguments.delta', { ...at, delta: s }));
      list.push(e('close', 'response.function_call_arguments.done', { ...at, arguments: a.call.arguments }));
    } else {
      const part = { type: 'output_text', text: '', annotations: [] };
      list.push(e('open', 'response.output_item.added', { output_index: 0, item: { ...item, content: [], status: 'in_progress' } }));
      list.push(e('open', 'response.content_part.added', { ...at, content_index: 0, part }));
      for (const s of a.pieces) list.push(e('delta', 'response.output_text.delta', { ...at, content_index: 0, delta: s }));
      list.push(e('close', 'response.output_text.done', { ...at, content_index: 0, text: a.pieces.join('') }));
      list.push(e('close', 'response.content_part.done', { ...at, content_index: 0, part: { ...part, text: a.pieces.join('') } }));
    }
    list.push(e('close', 'response.output_item.done', { output_index: 0, item }));
    list.push(e('end', 'response.completed', { response: this.object(b, a, 'completed', [item]) }));
    this.n = n;
    return list;
  },
  late: () => sse({ type: 'response.output_text.delta', sequence_number: 99, item_id: 'msg_1', output_index: 0, content_index: 0, delta: 'late' }, 'response.output_text.delta'),
  failed: (b) => sse({ type: 'response.failed', sequence_number: 99, response: { id: 'resp_1', object: 'response', created_at: 1, model: b.model, output: [], status: 'failed', error: { code: 'server_error', message: 'scripted failure' } } }, 'response.failed'),
};

const anthropic = {
  message: (b, content, stop, usage) => ({ id: 'msg_1', type: 'message', role: 'assistant', model: b.model, content, stop_reason: stop, stop_sequence: null, usage }),
  blocks(a) {
    const list = a.think ? [{ type: 'thinking', thinking: a.think, signature: 'c2ln' }] : [];
    list.push(a.call ? { type: 'tool_use', id: 'toolu_1', name: a.call.name, input: JSON.parse(a.call.arguments) } : { type: 'text', text: a.pieces.join('') });
    return list;
  },
  whole(b, a) {
    const [i, o] = numbers(a.p, a.pieces.length);
    return this.message(b, this.blocks(a), a.call ? 'tool_use' : 'end_turn', a.p.verb === 'nousage' ? undefined : { input_tokens: i, output_tokens: o, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 });
  },
  stream(b, a) {
    const e = (tag, type, o = {}) => ({ tag, raw: sse({ type, ...o }, type) }), [i, o] = numbers(a.p, a.pieces.length);
    const list = [e('start', 'message_start', { message: this.message(b, [], null, a.p.verb === 'nousage' ? undefined : { input_tokens: i, output_tokens: 1 }) }), e('ping', 'ping')];
    let index = 0;
    for (const block of this.blocks(a)) {
      const delta = d => list.push(e('delta', 'content_block_delta', { index, delta: d }));
      const empty = block.type === 'tool_use' ? { ...block, input: {} } : block.type === 'text' ? { type: 'text', text: '' } : { type: 'thinking', thinking: '', signature: '' };
      list.push(e('open', 'content_block_start', { index, content_block: empty }));
      if (block.type === 'thinking') { delta({ type: 'thinking_delta', thinking: block.thinking }); delta({ type: 'signature_delta', signature: 'c2ln' }); }
      if (block.type === 'tool_use') for (const s of a.call.arguments.match(/[\s\S]{1,7}/g)) delta({ type: 'input_json_delta', partial_json: s });
      if (block.type === 'text') for (const s of a.pieces) delta({ type: 'text_delta', text: s });
      list.push(e('close', 'content_block_stop', { index }));
      index++;
    }
    list.push(e('stop', 'message_delta', { delta: { stop_reason: a.call ? 'tool_use' : 'end_turn', stop_sequence: null }, ...(a.p.verb !== 'nousage' && { usage: { output_tokens: o } }) }));
    list.push(e('end', 'message_stop'));
    return list;
  },
  late: () => sse({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'late' } }, 'content_block_delta'),
  failed: () => sse({ type: 'error', error: { type: 'overloaded_error', message: 'scripted failure' } }, 'error'),
};

const ollama = {
  base: (b) => ({ model: b.model, created_at: '2026-01-01T00:00:00Z' }),
  tail: a => ({ done: true, done_reason: 'stop', total_duration: 9, load_duration: 1, prompt_eval_duration: 3, eval_duration: 4,
    ...(a.p.verb !== 'nousage' && { prompt_eval_count: numbers(a.p, 1)[0], eval_count: numbers(a.p, a.pieces.length || 1)[1] }) }),
  calls: a => a.call && { tool_calls: [{ function: { name: a.call.name, arguments: JSON.parse(a.call.arguments) } }] },
  whole(b, a) {
    const body = a.generate ? { response: a.pieces.join('') }
      : { message: { role: 'assistant', content: a.pieces.join(''), ...(a.think && { thinking: a.think }), ...this.calls(a) } };
    return { ...this.base(b), ...body, ...this.tail(a) };
  },
  stream(b, a) {
    const e = (tag, o) => ({ tag, raw: json({ ...this.base(b), ...o }) + '\n' }), list = [];
    const say = (content, more) => a.generate ? { response: content, done: false } : { message: { role: 'assistant', content, ...more }, done: false };
    if (a.think) list.push(e('think', say('', { thinking: a.think })));
    if (a.call) list.push(e('delta', say('', this.calls(a))));
    for (const s of a.pieces) list.push(e('delta', say(s)));
    list.push(e('end', { ...say(''), ...this.tail(a) }));
    return list;
  },
  late(b) { return json({ ...this.base(b), message: { role: 'assistant', content: 'late' }, done: false }) + '\n'; },
  failed: () => json({ error: 'scripted failure' }) + '\n',
};

const DIALECTS = [[/\/chat\/completions$/, chat, 'text/event-stream'], [/\/responses$/, responses, 'text/event-stream'],
  [/\/messages$/, anthropic, 'text/event-stream'], [/\/api\/chat$/, ollama, 'application/x-ndjson']];

/* ---- Faults of a stream: the list of events as it will be sent, and how it ends ---- */

function spoil(list, p, dialect, b) {
  const first = list.findIndex(e => e.tag === 'delta'), at = first + (+p.rest[0] || 0), good = list.slice(0, at);
  const end = list.findIndex(e => e.tag === 'end'), start = list.findIndex(e => e.tag === 'start');
  switch (p.verb) {
    case 'cut': return { list: good, how: 'destroy' };
    case 'halfclosed': return { list: good, how: 'halfclose' };
    case 'stall': return { list: good, how: 'stall' };
    case 'broken': return { list: [...good, { raw: dialect === ollama ? '{"message":{"cont\n' : sse('{"choices":[{"delta"') }, ...list.slice(at)], how: 'end' };
    case 'unended': return { list: list.filter(e => !['end', 'stop', 'usage'].includes(e.tag)), how: 'end' };
    case 'late': { const behind = end + (dialect === ollama ? 1 : 0); return { list: [...list.slice(0, behind), { raw: dialect.late(b) }, ...list.slice(behind)], how: 'end' }; }
    case 'double': return { list: start < 0 ? [...list.slice(0, end + 1), ...list] : [...list.slice(0, at + 2), list[dialect === chat ? list.findIndex(e => e.tag === 'stop') : start], ...list.slice(at + 2)], how: 'end' };
    case 'disorder': return { list: dialect === anthropic ? [list[start], ...list.slice(first, first + 2), ...list.slice(start + 1)] : dialect === responses ? [list[start], ...list.slice(first, first + 1), ...list.slice(start + 1)] : [list[end], ...list.slice(0, end)], how: 'end' };
    case 'failed': return { list: [...list.slice(0, first + 2), { raw: dialect.failed(b) }], how: 'end' };
    case 'halftool': return { list: list.filter((e, i) => e.tag !== 'delta' || list[i + 1]?.tag === 'delta'), how: 'end' };
    case 'endless': return { list: good, how: 'endless' };
    default: return { list, how: 'end' };
  }
}

export class VendorServer {
  log = [];
  flaky = new Map();

  constructor(options = {}) {
    this.server = http.createServer((req, res) => this.serve(req, res).catch(() => res.destroy()));
    this.server.keepAliveTimeout = 60000;
    this.options = options;
  }

  async listen(port = 0) {
    await new Promise(done => this.server.listen(port, '127.0.0.1', done));
    this.port = this.server.address().port;
    return `http://127.0.0.1:${this.port}`;
  }

  // What providers are told, so that all of them end up here.
  env() {
    const url = `http://127.0.0.1:${this.port}`;
    return { OPENAI_BASE_URL: url + '/v1', OPENAI_API_KEY: 'sk-openai-secret', ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'sk-ant-secret',
      OLLAMA_HOST: `127.0.0.1:${this.port}`, LMSTUDIO_BASE_URL: url + '/v1' };
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  json(res, status, value, headers = {}) {
    res.writeHead(status, { 'content-type': 'application/json', ...headers });
    res.end(json(value));
  }

  lists(req, res) {
    const path = new URL(req.url, 'http://x').pathname, at = req.headers['anthropic-version'];
    if (path === '/v1/models') return this.json(res, 200, at
      ? { data: MODELS.map(id => ({ type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' })), has_more: false, first_id: MODELS[0], last_id: MODELS.at(-1) }
      : { object: 'list', data: MODELS.map(id => ({ id, object: 'model', created: 1, owned_by: 'tests' })) });
    if (path === '/api/v0/models') return this.json(res, 200, { object: 'list', data: MODELS.map(id => ({ id, object: 'model', type: 'llm', publisher: 'tests', arch: 'scripted', quantization: 'Q4', state: 'loaded', max_context_length: 131072 })) });
    if (path === '/api/tags') return this.json(res, 200, { models: MODELS.map(name => ({ name, model: name, modified_at: '2026-01-01T00:00:00Z', size: 1, digest: '0', details: { family: 'scripted', parameter_size: '1B', quantization_level: 'Q4' } })) });
    if (path === '/api/ps') return this.json(res, 200, { models: [] });
    if (path === '/api/version') return this.json(res, 200, { version: '0.12.0' });
    if (path === '/api/show') return this.json(res, 200, { details: { family: 'scripted' }, model_info: { 'general.architecture': 'scripted', 'scripted.context_length': 131072 }, capabilities: ['completion', 'tools', 'vision', 'insert'] });
    return this.json(res, 404, { error: { message: `no such endpoint: ${path}`, type: 'invalid_request_error' } });
  }

  async serve(req, res) {
    const chunks = [];
    for await (const c of req) chunks.push(c);
    const path = new URL(req.url, 'http://x').pathname;
    const kind = DIALECTS.find(([pattern]) => pattern.test(path));
    const simple = path.endsWith('/embeddings') || path.endsWith('/api/embed') || path.endsWith('/count_tokens') || path.endsWith('/completions') && !kind || path.endsWith('/api/generate');
    if (req.method !== 'POST' || !kind && !simple) return this.lists(req, res);
    const raw = Buffer.concat(chunks).toString(), b = JSON.parse(raw), p = this.mine(plan(path, b));
    const entry = { path, query: req.url, model: b.model, stream: b.stream, script: p.verb, line: p.line, body: b, gone: false, at: Date.now(),
      auth: req.headers.authorization ?? req.headers['x-api-key'], headers: req.headers };
    this.log.push(entry);
    res.on('close', () => { entry.gone = !res.writableFinished; entry.closed = Date.now(); });
    if (simple && kind === undefined) return this.simple(path, b, p, res);
    await this.answer(kind[1], kind[2], path, b, p, res, raw);
  }

  mine(p) {
    if (p.verb !== 'only') return p;
    const [name, verb, ...rest] = p.rest;
    if (name === this.options.name) return { ...p, verb, rest, line: rest.join(' ') };
    return { ...p, verb: 'say', rest: ['from', 'another'], line: 'from another' };
  }

  simple(path, b, p, res) {
    const vector = t => [t.length, 0.5, -1.25];
    const inputs = [].concat(b.input ?? b.prompt ?? '');
    if (p.verb === 'status') return this.error(res, path, +p.rest[0], p.rest[1]);
    if (path.endsWith('/count_tokens')) return this.json(res, 200, { input_tokens: 42 });
    if (path.endsWith('/embeddings')) return this.json(res, 200, { object: 'list', model: b.model, usage: { prompt_tokens: 4, total_tokens: 4 },
      data: inputs.map((t, index) => ({ object: 'embedding', index, embedding: b.encoding_format === 'base64' ? Buffer.from(new Float32Array(vector(t)).buffer).toString('base64') : vector(t) })) });
    if (path.endsWith('/api/embed')) return this.json(res, 200, { model: b.model, embeddings: inputs.map(vector), prompt_eval_count: 4 });
    const list = pieces(p), whole = list.join('') + (b.suffix !== undefined ? `<${b.suffix}>` : '');
    if (path.endsWith('/api/generate')) {
      const a = { p, pieces: b.stream === false ? [whole] : list, generate: true };
      if (b.stream === false) return this.json(res, 200, ollama.whole(b, a));
      res.writeHead(200, { 'content-type': 'application/x-ndjson' });
      for (const e of ollama.stream(b, a)) res.write(e.raw);
      return res.end();
    }
    const base = { id: 'cmpl-1', object: 'text_completion', created: 1, model: b.model }, usage = { prompt_tokens: 5, completion_tokens: list.length, total_tokens: 5 + list.length };
    if (!b.stream) return this.json(res, 200, { ...base, choices: [{ index: 0, text: whole, logprobs: null, finish_reason: 'stop' }], usage });
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const s of list) res.write(sse({ ...base, choices: [{ index: 0, text: s, logprobs: null, finish_reason: null }] }));
    res.write(sse({ ...base, choices: [{ index: 0, text: '', logprobs: null, finish_reason: 'stop' }] }));
    if (b.stream_options?.include_usage) res.write(sse({ ...base, choices: [], usage }));
    res.write(sse('[DONE]'));
    res.end();
  }

  error(res, path, status, seconds, message = `scripted ${status}`, code = null) {
    const type = TYPES[status] ?? (path.endsWith('/messages') ? 'api_error' : 'server_error'), headers = seconds ? { 'retry-after': seconds } : {};
    if (path.includes('/messages')) return this.json(res, status, { type: 'error', error: { type, message }, request_id: 'req_1' }, headers);
    if (path.includes('/api/')) return this.json(res, status, { error: message }, headers);
    return this.json(res, status, { error: { message, type, param: null, code } }, headers);
  }

  // True when the answer is given: what goes wrong before any event.
  early(path, p, res, b) {
    const say = (status, message, code) => (this.error(res, path, status, undefined, message, code), true);
    switch (p.verb) {
      case 'status': this.error(res, path, +p.rest[0], p.rest[1]); return true;
      case 'flaky': {
        const n = (this.flaky.get(p.rest[0]) ?? 0) + 1;
        this.flaky.set(p.rest[0], n);
        if (n <= +p.rest[1]) { this.error(res, path, +(p.rest[2] ?? 503)); return true; }
        Object.assign(p, { verb: 'say', line: 'recovered', rest: ['recovered'] });
        return false;
      }
      case 'context': return path.includes('/messages') ? say(400, 'prompt is too long: 250000 tokens > 200000 maximum') : path.includes('/api/') ? say(400, 'the input length exceeds the context length')
        : say(400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 'context_length_exceeded');
      case 'filter': return path.includes('/messages') ? say(400, 'Output blocked by content filtering policy') : say(400, 'The response was filtered due to the prompt triggering content management policy.', 'content_filter');
      case 'html': res.writeHead(200, { 'content-type': 'text/html' }); res.end('<html>hello</html>'); return true;
      case 'redirect': res.writeHead(307, { location: `http://127.0.0.1:${this.port}/stolen${path}` }); res.end(); return true;
      case 'reset': res.socket.resetAndDestroy(); return true;
      case 'silence': return true;
      case 'informational': for (let i = 0; i < 3; i++) res.writeEarlyHints({ link: '</a>; rel=preload' }); Object.assign(p, { verb: 'say', line: 'after hints' }); return false;
      case 'flood': for (let i = 0; i < 5000; i++) res.setHeader(`x-flood-${i}`, 'x'.repeat(500)); res.writeHead(200, { 'content-type': 'application/json' }); res.end('{}'); return true;
      case 'bomb': {
        const head = b.stream && !path.includes('/api/') ? 'text/event-stream' : b.stream ? 'application/x-ndjson' : 'application/json';
        const packed = bomb();
        res.writeHead(200, { 'content-type': head, 'content-encoding': 'gzip', 'content-length': packed.length });
        res.end(packed);
        return true;
      }
      default: return false;
    }
  }

  async answer(dialect, type, path, b, p, res, raw) {
    if (this.early(path, p, res, b)) return;
    if (p.verb === 'seen') Object.assign(p, { verb: 'say', line: raw });
    const tool = ['call', 'halftool'].includes(p.verb) && !p.answered;
    const call = tool && { name: p.verb === 'call' ? p.rest[0] : 'weather', arguments: p.verb === 'call' ? p.rest.slice(1).join(' ') : '{"city":"Brno"}' };
    const a = { p, call, pieces: tool ? [] : pieces(p), think: p.verb === 'think' ? 'let me think' : '' };
    const streams = dialect === ollama ? b.stream !== false : b.stream;
    if (p.verb === 'slow') await new Promise(go => setTimeout(go, +p.rest[0]));
    if (!streams) return this.whole(dialect, b, a, res);
    res.writeHead(200, { 'content-type': type });
    res.flushHeaders();
    const { list, how } = spoil(dialect.stream(b, a), p, dialect, b);
    for (const e of list) {
      if (res.destroyed) return;
      if (!res.write(e.raw)) await new Promise(go => { res.once('drain', go); res.once('close', go); });
      if (p.verb === 'count') await new Promise(go => setTimeout(go, 1));
    }
    if (how === 'stall') return;
    if (how === 'destroy') return setImmediate(() => res.destroy());
    if (how === 'halfclose') return setImmediate(() => res.socket.end());
    if (how === 'endless') {
      res.write(dialect === ollama ? '{"message":{"content":"' : 'data: {"x":"');
      while (!res.destroyed) if (!res.write('y'.repeat(65536))) await new Promise(go => { res.once('drain', go); res.once('close', go); });
      return;
    }
    res.end();
  }

  whole(dialect, b, a, res) {
    const body = json(dialect.whole(b, a)), { verb } = a.p;
    res.writeHead(200, { 'content-type': 'application/json', ...(['cut', 'halfclosed', 'stall'].includes(verb) && { 'content-length': body.length + 100 }) });
    if (verb === 'broken') return res.end(body.slice(0, -10));
    if (!['cut', 'halfclosed', 'stall'].includes(verb)) return res.end(body);
    res.write(body.slice(0, 40));
    if (verb === 'cut') setImmediate(() => res.destroy());
    if (verb === 'halfclosed') setImmediate(() => res.socket.end());
  }
}
