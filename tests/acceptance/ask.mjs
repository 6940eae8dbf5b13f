// Clients of the four chat dialects, written from the vendors' documents and nothing of Aiex: ask()
// sends one question and tells what a careful client would see.
//   { status, text, think, tool: {name, arguments}, finish, clean, error, usage, headers, events, broken }
// `clean`: the dialect's own end was seen and the framing ended properly. `error`: the document or the
// error event. `broken`: something that the dialect does not allow, as a sentence.
const json = JSON.stringify;

const tools = {
  chat: [{ type: 'function', function: { name: 'weather', description: 'd', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }],
  flat: [{ type: 'function', name: 'weather', description: 'd', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } }],
  anthropic: [{ name: 'weather', description: 'd', input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } }],
};

/* ---- Framing ---- */

// Events of an SSE text: whole ones only.
function events(text) {
  const blocks = text.split('\n\n');
  return { rest: blocks.pop(), list: blocks.filter(Boolean).map(b => {
    const e = { name: '', data: '' };
    for (const line of b.split('\n')) {
      if (line.startsWith('event: ')) e.name = line.slice(7);
      if (line.startsWith('data: ')) e.data += line.slice(6);
    }
    return e;
  }) };
}

async function read(response, onText) {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const bytes of response.body) {
      text += decoder.decode(bytes, { stream: true });
      onText?.(text);
    }
    return { text, whole: true };
  } catch {
    return { text, whole: false };
  }
}

/* ---- Dialects ---- */

const fresh = () => ({ text: '', think: '', tool: undefined, finish: undefined, error: undefined, ended: false, broken: undefined, usage: undefined });

const chat = {
  path: '/v1/chat/completions',
  body: (q) => ({ model: q.model, messages: [{ role: 'user', content: q.script }], stream: q.stream, ...(q.tools && { tools: tools.chat }), ...(q.stream && { stream_options: { include_usage: true } }) }),
  whole(r, d) {
    const m = d.choices[0].message;
    Object.assign(r, { text: m.content ?? '', think: m.reasoning_content ?? '', finish: d.choices[0].finish_reason, usage: d.usage && { in: d.usage.prompt_tokens, out: d.usage.completion_tokens }, ended: true });
    const call = m.tool_calls?.[0];
    if (call) r.tool = { ...call.function, id: call.id };
  },
  stream(r, list) {
    let role = 0;
    for (const { data } of list) {
      if (r.ended) r.broken ??= 'an event after [DONE]';
      if (data === '[DONE]') { r.ended = true; continue; }
      const d = JSON.parse(data);
      if (d.error) { r.error = d.error; continue; }
      if (d.object !== 'chat.completion.chunk') r.broken ??= `object is ${d.object}`;
      if (d.usage) r.usage = { in: d.usage.prompt_tokens, out: d.usage.completion_tokens };
      const c = d.choices[0];
      if (!c) continue;
      if (c.delta?.role) role++;
      if (r.finish && (c.delta?.content || c.delta?.tool_calls)) r.broken ??= 'content after finish_reason';
      r.text += c.delta?.content ?? '';
      r.think += c.delta?.reasoning_content ?? '';
      for (const t of c.delta?.tool_calls ?? []) {
        if (t.function?.name) r.tool = { id: t.id, name: t.function.name, arguments: '' };
        r.tool.arguments += t.function?.arguments ?? '';
      }
      if (c.finish_reason) { if (r.finish) r.broken ??= 'two finish reasons'; r.finish = c.finish_reason; }
    }
    if (role > 1) r.broken ??= 'two roles';
    r.ended &&= !!r.finish;
  },
  error: d => d.error,
};

const responses = {
  path: '/v1/responses',
  body: q => ({ model: q.model, input: q.script, stream: q.stream, store: false, ...(q.tools && { tools: tools.flat }) }),
  take(r, o) {
    for (const i of o.output) {
      if (i.type === 'message') r.text = i.content.map(c => c.text).join('');
      if (i.type === 'function_call') r.tool = { id: i.call_id, name: i.name, arguments: i.arguments };
      if (i.type === 'reasoning') r.think = [...(i.summary ?? []), ...(i.content ?? [])].map(s => s.text).join('');
    }
    Object.assign(r, { finish: r.tool ? 'tool_calls' : o.status === 'completed' ? 'stop' : o.incomplete_details?.reason, usage: o.usage && { in: o.usage.input_tokens, out: o.usage.output_tokens } });
  },
  whole(r, d) { this.take(r, d); r.ended = d.status === 'completed' || d.status === 'incomplete'; },
  stream(r, list) {
    let last = -1, text = '', args = '', created = 0;
    for (const { name, data } of list) {
      const d = JSON.parse(data);
      if (name !== d.type) r.broken ??= `event ${name} carries ${d.type}`;
      if (!(d.sequence_number > last)) r.broken ??= `sequence_number ${d.sequence_number} after ${last}`;
      last = d.sequence_number;
      if (r.ended || r.error) r.broken ??= `${d.type} after the end`;
      if (d.type === 'response.created' && created++) r.broken ??= 'two response.created';
      if (d.type === 'response.output_text.delta') text += d.delta;
      if (d.type === 'response.function_call_arguments.delta') args += d.delta;
      if (d.type === 'response.completed' || d.type === 'response.incomplete') { this.take(r, d.response); r.ended = true; }
      if (d.type === 'response.failed') r.error = d.response.error;
      if (d.type === 'error') r.error = d;
    }
    if (r.ended && (r.text !== text || (r.tool && r.tool.arguments !== args))) r.broken ??= 'deltas and final object differ';
    r.text = text;
    if (list.length && !created) r.broken ??= 'no response.created';
  },
  error: d => d.error,
};

const anthropic = {
  path: '/v1/messages?beta=true',
  body: q => ({ model: q.model, max_tokens: 300, messages: [{ role: 'user', content: q.script }], stream: q.stream, ...(q.tools && { tools: tools.anthropic }) }),
  headers: { 'anthropic-version': '2023-06-01' },
  stops: { end_turn: 'stop', tool_use: 'tool_calls', max_tokens: 'length', refusal: 'content_filter' },
  block(r, b) {
    if (b.type === 'text') r.text += b.text;
    if (b.type === 'thinking') r.think += b.thinking;
    if (b.type === 'tool_use') r.tool = { id: b.id, name: b.name, arguments: b.json ?? json(b.input) };
  },
  whole(r, d) {
    for (const b of d.content) this.block(r, b);
    Object.assign(r, { finish: this.stops[d.stop_reason], usage: { in: d.usage?.input_tokens, out: d.usage?.output_tokens }, ended: true });
  },
  stream(r, list) {
    let open, begun = 0, stopped = 0;
    for (const { name, data } of list) {
      const d = JSON.parse(data);
      if (name !== d.type) r.broken ??= `event ${name} carries ${d.type}`;
      if (r.ended || r.error) r.broken ??= `${d.type} after the end`;
      switch (d.type) {
        case 'message_start': if (begun++) r.broken ??= 'two message_start'; r.usage = { in: d.message.usage?.input_tokens, out: 0 }; break;
        case 'content_block_start': if (open) r.broken ??= 'two blocks open'; if (stopped) r.broken ??= 'a block after message_delta'; open = { index: d.index, ...d.content_block }; break;
        case 'content_block_delta': {
          const t = d.delta;
          if (!open || open.index !== d.index) { r.broken ??= 'delta of a block that is not open'; break; }
          if (t.type === 'text_delta') open.type === 'text' ? open.text += t.text : r.broken ??= 'text in ' + open.type;
          if (t.type === 'thinking_delta') open.type === 'thinking' ? open.thinking += t.thinking : r.broken ??= 'thinking in ' + open.type;
          if (t.type === 'input_json_delta') open.type === 'tool_use' ? open.json = (open.json ?? '') + t.partial_json : r.broken ??= 'json in ' + open.type;
          break;
        }
        case 'content_block_stop': if (!open || open.index !== d.index) r.broken ??= 'stop of a block that is not open'; else this.block(r, open); open = undefined; break;
        case 'message_delta': if (stopped++) r.broken ??= 'two message_delta'; r.finish = this.stops[d.delta.stop_reason]; r.usage = { in: d.usage?.input_tokens ?? r.usage?.in, out: d.usage?.output_tokens }; break;
        case 'message_stop': if (open || !stopped) r.broken ??= 'message_stop too early'; r.ended = true; break;
        case 'error': r.error = d.error; break;
      }
      if (!begun && d.type !== 'error' && d.type !== 'ping') r.broken ??= `${d.type} before message_start`;
    }
    if (open && !r.ended) this.block(r, open);
  },
  error: d => d.type === 'error' && d.error,
};

const ollama = {
  path: '/api/chat',
  body: q => ({ model: q.model, messages: [{ role: 'user', content: q.script }], stream: q.stream, ...(q.tools && { tools: tools.chat }) }),
  line(r, d) {
    if (d.error) { r.error = { message: d.error }; return; }
    if (r.ended) r.broken ??= 'a line after done';
    r.text += d.message.content ?? '';
    r.think += d.message.thinking ?? '';
    for (const t of d.message.tool_calls ?? []) {
      if (typeof t.function.arguments !== 'object') r.broken ??= 'arguments are no object';
      r.tool = { id: 'none', name: t.function.name, arguments: json(t.function.arguments) };
    }
    if (d.done) { r.ended = true; r.finish = r.tool ? 'tool_calls' : d.done_reason; r.usage = { in: d.prompt_eval_count, out: d.eval_count }; }
  },
  whole(r, d) { this.line(r, d); },
  stream(r, list) { for (const d of list) this.line(r, JSON.parse(d)); },
  error: d => typeof d.error === 'string' && { message: d.error },
};

export const clients = { chat, responses, anthropic, ollama };

/* q: {model, script, stream, tools, signal, headers, body}; `body` changes the request. onText sees what came so far. */
export async function ask(base, name, q, onText) {
  const dialect = clients[name], r = fresh(), body = dialect.body({ stream: false, ...q });
  const response = await fetch(base + dialect.path, { method: 'POST', signal: q.signal, redirect: 'manual',
    headers: { 'content-type': 'application/json', ...dialect.headers, ...q.headers }, body: json(q.body ? q.body(body) : body) });
  Object.assign(r, { status: response.status, headers: response.headers });
  const { text, whole } = await read(response, onText);
  const type = response.headers.get('content-type') ?? '';
  r.raw = text;
  try {
    if (response.status !== 200) {
      r.error = dialect.error(JSON.parse(text));
      if (!r.error?.message) r.broken = 'the error is not in the dialect: ' + text.slice(0, 300);
    } else if (!q.stream) {
      dialect.whole(r, JSON.parse(text));
    } else if (name === 'ollama') {
      if (!type.startsWith('application/x-ndjson')) r.broken = 'content type ' + type;
      const lines = text.split('\n');
      if (lines.pop()) r.broken ??= 'half a line';
      dialect.stream(r, lines);
    } else {
      if (!type.startsWith('text/event-stream')) r.broken = 'content type ' + type;
      const { rest, list } = events(text);
      if (rest.trim()) r.broken ??= 'half an event: ' + rest;
      r.events = list;
      dialect.stream(r, list);
    }
  } catch (e) {
    r.broken ??= `${e.message} in ${text.slice(0, 300)}`;
  }
  r.clean = whole && r.ended && !r.error && response.status === 200;
  return r;
}
