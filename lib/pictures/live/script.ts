/**
 * The script of the live page. It puts new markup in the place of the old, node by node where the two are alike, so
 * that lists that a person has opened stay open and the focus stays where it is. The server has escaped all of it.
 */
export const pageScript = `'use strict';
(() => {
  const main = document.getElementById('main');
  const connection = document.getElementById('connection');
  const spoken = document.getElementById('spoken');
  const say = (state, text) => {
    connection.dataset.state = state;
    connection.textContent = text;
  };
  const clock = () => new Date().toLocaleTimeString();

  const nodeOf = (html) => {
    const template = document.createElement('template');
    template.innerHTML = html;
    return template.content.firstElementChild;
  };
  const morph = (old, fresh) => {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name } of [...old.attributes])
      if (name !== 'open' && !fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes)
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
    before.forEach((node, i) => (i < after.length ? morph(node, after[i]) : node.remove()));
    old.append(...after.slice(before.length));
  };

  const states = new Map();
  const apply = ({ order, parts }) => {
    for (const [id, html] of Object.entries(parts)) {
      const fresh = nodeOf(html);
      const old = document.getElementById(id);
      if (old === null) main.append(fresh);
      else morph(old, fresh);
    }
    order.forEach((id, i) => {
      const part = document.getElementById(id);
      if (main.children[i] !== part) main.insertBefore(part, main.children[i] ?? null);
    });
    while (main.children.length > order.length) main.lastElementChild.remove();
    main.dataset.runs = String(order.length - 1);
    for (const article of main.querySelectorAll('article')) {
      const state = article.dataset.spoken;
      if (states.has(article.id) && states.get(article.id) !== state) spoken.textContent = state;
      states.set(article.id, state);
    }
  };

  const source = new EventSource('events' + location.search + '&since=' + main.dataset.version);
  source.addEventListener('open', () => say('live', 'Live.'));
  source.addEventListener('parts', ({ data }) => apply(JSON.parse(data)));
  source.addEventListener('end', () => {
    source.close();
    say('ended', 'The server has ended at ' + clock() + '. This page stays as it is; onespike watch shows the run again.');
  });
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) say('ended', 'The server has refused to go on at ' + clock() + '.');
    else say('lost', 'The connection was lost at ' + clock() + '; trying again.');
  });
})();
`;
