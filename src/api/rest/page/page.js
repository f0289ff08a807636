'use strict';
// Shows the OpenAPI document that this very server serves, and tries its operations. What is typed stays in this page.

const $ = (id) => document.getElementById(id);
let api = null;

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'class') node.className = value;
    else if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value !== false && value !== undefined) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// The little Markdown that the descriptions use: paragraphs, **strong** and `code`.
function prose(text) {
  return (text || '').split(/\n\n+/).filter(Boolean).map((paragraph) => {
    const node = el('p');
    for (const piece of paragraph.split(/(\*\*[^*]+\*\*|`[^`]+`)/)) {
      if (piece.startsWith('**')) node.append(el('strong', {}, piece.slice(2, -2)));
      else if (piece.startsWith('`')) node.append(el('code', {}, piece.slice(1, -1)));
      else node.append(piece);
    }
    return node;
  });
}

const nameOf = (ref) => ref.split('/').pop();
const resolve = (schema) => (schema && schema.$ref ? api.components.schemas[nameOf(schema.$ref)] : schema);

function typeOf(schema) {
  if (!schema) return 'any';
  if (schema.$ref) return el('a', { href: '#schema-' + nameOf(schema.$ref), class: 'type' }, nameOf(schema.$ref));
  if (schema.anyOf) {
    const span = el('span', { class: 'type' });
    schema.anyOf.forEach((one, i) => span.append(i ? ' | ' : '', typeOf(one)));
    return span;
  }
  if (schema.type === 'array') return el('span', { class: 'type' }, 'list of ', typeOf(schema.items));
  const kinds = Array.isArray(schema.type) ? schema.type.join(' | ') : schema.type;
  return el('span', { class: 'type' }, kinds + (schema.format ? ' · ' + schema.format : ''));
}

function limits(schema) {
  const said = [];
  const shape = resolve(schema) || {};
  if (shape.enum) said.push(shape.enum.filter((value) => value !== null).join(' · '));
  if (shape.maxLength && !shape.format) said.push('at most ' + shape.maxLength + ' characters');
  if (shape.minimum !== undefined && shape.maximum !== undefined) said.push(shape.minimum + ' to ' + shape.maximum);
  if (shape.maxItems) said.push('at most ' + shape.maxItems + ' items');
  return said.join('; ');
}

function row(name, schema, required, description) {
  const says = description || schema.description || (resolve(schema) || {}).description;
  const bounds = limits(schema);
  return el('tr', {}, el('td', { class: required ? 'must' : '' }, name),
    el('td', {}, typeOf(schema), says ? el('small', {}, ...says.split(/(`[^`]+`)/).map((piece) =>
      piece.startsWith('`') ? el('code', {}, piece.slice(1, -1)) : piece)) : null, bounds ? el('small', {}, bounds) : null));
}

function members(schema) {
  const shape = resolve(schema);
  if (!shape || shape.type !== 'object') return el('p', {}, typeOf(schema));
  const required = new Set(shape.required || []);
  return el('table', {}, el('tbody', {}, ...Object.entries(shape.properties).map(([name, one]) => row(name, one, required.has(name)))));
}

const pretty = (value) => JSON.stringify(value, null, 2);

function credentials() {
  const text = $('token').value.trim().replace(/^Bearer\s+/i, '');
  if (!text) return {};
  return text.split('.').length === 3 ? { Authorization: 'Bearer ' + text } : { 'X-Api-Key': text };
}

function tryForm(path, method, operation) {
  const form = el('form', { class: 'try' }, el('h3', {}, 'Try it'));
  const inputs = [];
  for (const parameter of operation.parameters || []) {
    const id = operation.operationId + '-' + parameter.name;
    const choices = (resolve(parameter.schema) || {}).enum;
    const input = choices
      ? el('select', { id }, el('option', { value: '' }, ''), ...choices.map((choice) => el('option', { value: choice }, choice)))
      : el('input', { id, spellcheck: 'false', autocomplete: 'off' });
    if (parameter.required) input.required = true;
    inputs.push({ parameter, input });
    form.append(el('div', { class: 'field' }, el('label', { for: id, class: parameter.required ? 'must' : '' }, parameter.name), input));
  }
  let body = null;
  const content = operation.requestBody && operation.requestBody.content;
  if (content) {
    const json = content['application/json'];
    body = el('textarea', { spellcheck: 'false', 'aria-label': 'Body' });
    body.value = json ? pretty(json.example) : '';
    body.rows = Math.min(16, Math.max(4, body.value.split('\n').length + 1));
    form.append(body);
  }
  const button = el('button', { type: 'submit' }, 'Send');
  const status = el('span', { class: 'took' });
  const answer = el('pre', { hidden: true });
  form.append(el('div', { class: 'go' }, button, status), answer);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    status.textContent = '…';
    try {
      await send(path, method, inputs, body, content, status, answer);
    } catch (fault) {
      status.textContent = 'no answer: ' + fault.message;
    }
    button.disabled = false;
  });
  const holder = el('div', { class: 'try' });
  form.classList.remove('try');
  holder.append(form);
  return holder;
}

async function send(path, method, inputs, body, content, status, answer) {
  const headers = credentials();
  const query = new URLSearchParams();
  let target = path;
  for (const { parameter, input } of inputs) {
    const value = input.value.trim();
    if (parameter.in === 'path') target = target.replace('{' + parameter.name + '}', encodeURIComponent(value));
    else if (value && parameter.in === 'query') query.set(parameter.name, value);
    else if (value) headers[parameter.name] = value;
  }
  if (body) headers['Content-Type'] = Object.keys(content)[0];
  const begun = performance.now();
  const response = await fetch(target + (query.size ? '?' + query : ''),
    { method: method.toUpperCase(), headers, body: body ? body.value : undefined });
  const text = await response.text();
  status.replaceChildren(el('span', { class: 'status ' + (response.ok ? 'good' : 'bad') }, String(response.status)),
    ' in ' + (performance.now() - begun).toFixed(1) + ' ms · ' + (response.headers.get('x-request-id') || ''));
  let shown = text;
  try { shown = pretty(JSON.parse(text)); } catch { /* no JSON: shown as it came */ }
  answer.textContent = shown.slice(0, 200000);
  answer.hidden = shown === '';
}

function about(operation) {
  const left = el('div', {}, ...prose(operation.description));
  const roles = operation['x-roles'];
  left.append(el('h3', {}, 'Who may'), el('div', { class: 'chips' },
    ...(roles || ['anybody']).map((role) => el('span', { class: 'chip' }, role))));
  if (operation.parameters) {
    left.append(el('h3', {}, 'Parameters'), el('table', {}, el('tbody', {}, ...operation.parameters.map((one) =>
      row(one.name, one.schema, one.required, [one.in === 'query' ? '' : '(' + one.in + ')', one.description].filter(Boolean).join(' '))))));
  }
  const json = operation.requestBody && operation.requestBody.content['application/json'];
  if (json) left.append(el('h3', {}, 'Body'), members(json.schema));
  for (const [status, response] of Object.entries(operation.responses)) {
    const media = response.content && response.content['application/json'];
    if (!status.startsWith('2') || !media) continue;
    left.append(el('h3', {}, 'Answer ' + status), el('p', {}, typeOf(media.schema)));
    if (media.example !== undefined) left.append(el('pre', {}, pretty(media.example)));
  }
  if (operation['x-error-types']) {
    left.append(el('h3', {}, 'Error types of its own'), el('div', { class: 'chips' },
      ...operation['x-error-types'].map((type) => el('span', { class: 'chip error' }, type))));
  }
  return left;
}

function operationNode(path, method, operation) {
  const node = el('details', { class: 'operation', id: operation.operationId },
    el('summary', {}, el('span', { class: 'verb ' + method }, method), el('span', { class: 'path' }, path),
      el('span', { class: 'says' }, operation.summary)));
  // Made when it is opened: the page stays light.
  node.addEventListener('toggle', () => {
    if (node.open && !node.querySelector('.inside'))
      node.append(el('div', { class: 'inside' }, about(operation), tryForm(path, method, operation)));
  });
  return node;
}

function show() {
  const main = $('main');
  main.replaceChildren(el('h1', {}, api.info.title + ' API'), el('div', { class: 'intro' }, ...prose(api.info.description)));
  for (const tag of api.tags) {
    const links = el('div', {}, el('h2', {}, tag.name));
    main.append(el('h2', {}, tag.name));
    for (const [path, methods] of Object.entries(api.paths))
      for (const [method, operation] of Object.entries(methods)) {
        if (!operation.tags.includes(tag.name)) continue;
        main.append(operationNode(path, method, operation));
        links.append(el('a', { href: '#' + operation.operationId, title: operation.summary, 'data-find': (path + ' ' + operation.operationId + ' ' + operation.summary).toLowerCase() },
          el('span', { class: 'verb ' + method }, method), el('span', {}, operation.summary)));
      }
    $('groups').append(links);
  }
  main.append(el('h2', { id: 'schemas' }, 'Schemas'));
  for (const [name, schema] of Object.entries(api.components.schemas))
    main.append(el('details', { class: 'schema', id: 'schema-' + name },
      el('summary', {}, el('span', { class: 'path' }, name), el('span', { class: 'says' }, schema.enum ? schema.enum.join(' · ') : schema.description || '')),
      el('div', { class: 'body' }, members(schema))));
}

function openTarget() {
  const node = location.hash && $(decodeURIComponent(location.hash.slice(1)));
  for (const link of document.querySelectorAll('nav a')) {
    const here = link.getAttribute('href') === location.hash;
    link.classList.toggle('here', here);
    if (here) link.scrollIntoView({ block: 'nearest' });
  }
  if (node instanceof HTMLDetailsElement) { node.open = true; node.scrollIntoView(); }
}

async function showHealth() {
  const state = $('state');
  try {
    const health = await (await fetch('/health')).json();
    state.textContent = health.status;
    state.className = 'state ' + health.status;
  } catch { state.textContent = 'no answer'; state.className = 'state down'; }
}

$('search').addEventListener('input', (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const group of $('groups').children) {
    let any = false;
    for (const link of group.querySelectorAll('a')) {
      link.hidden = !link.dataset.find.includes(wanted);
      any ||= !link.hidden;
    }
    group.hidden = !any;
  }
});
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && !/INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) { event.preventDefault(); $('search').focus(); }
});
$('access').addEventListener('submit', (event) => event.preventDefault());
window.addEventListener('hashchange', openTarget);

showHealth();
fetch('/api/v1/openapi.json').then((response) => response.json()).then((read) => { api = read; show(); openTarget(); })
  .catch((fault) => { $('main').textContent = 'The document cannot be read: ' + fault.message; });
