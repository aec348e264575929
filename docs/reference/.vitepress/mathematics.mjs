// Mathematics of the documents, in the form that GitHub shows: a block of the language `math`, and $`...`$ within a
// line. Both become MathML when the site is built, which browsers draw without a script.
import temml from 'temml';

/**
 * What Vue leaves as it is. Errors: those of Temml for what is no LaTeX, which end the build.
 *
 * @param {string} latex
 * @param {'div' | 'span'} element
 */
function formula(latex, element) {
  const mathml = temml.renderToString(latex.trim(), { displayMode: element === 'div', throwOnError: true });
  return `<${element} v-pre class="formula">${mathml}</${element}>`;
}

/**
 * A plugin of markdown-it.
 *
 * @param {import('markdown-it').default} md
 */
export function mathematics(md) {
  md.inline.ruler.before('backticks', 'math_inline', (state, silent) => {
    const [whole, latex = ''] = /^\$`([^`]+)`\$/.exec(state.src.slice(state.pos)) ?? [];
    if (whole === undefined) return false;
    // Under this name braces at its end are no attributes of an element (markdown-it-attrs).
    if (!silent) state.push('math_inline', '', 0).content = latex;
    state.pos += whole.length;
    return true;
  });
  md.renderer.rules.math_inline = (tokens, index) => formula(tokens[index]?.content ?? '', 'span');
  const { fence } = md.renderer.rules;
  md.renderer.rules.fence = (tokens, index, ...rest) => {
    const token = tokens[index];
    if (token?.info.trim() === 'math') return formula(token.content, 'div');
    return fence?.(tokens, index, ...rest) ?? '';
  };
}
