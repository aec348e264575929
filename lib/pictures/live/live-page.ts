// The live page as it is first sent: complete by itself, kept up to date by its script.
import { createHash } from 'node:crypto';
import { pageHead, pageStyle } from '../page';
import type { Board } from './board';
import { pageScript } from './script';

const liveStyle = `${pageStyle}
header, footer { max-width: none; }
main { max-width: 68rem; display: grid; gap: 0 1.5rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); }
main:not([data-runs="0"]):not([data-runs="1"]) { max-width: none; }
#overview { grid-column: 1 / -1; min-width: 0; }
#overview .pair { grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
#overview svg { min-width: 24rem; }
article { min-width: 0; padding-top: 1.5rem; }
article h2 { margin: 0 0 0.25rem; overflow-wrap: anywhere; }
article section h3 { margin: 2rem 0 0.75rem; font-size: 1.2rem; }
h4 { margin: 0 0 0.5rem; font-size: 1.05rem; }
.swatch { display: inline-block; width: 0.9rem; height: 0.9rem; min-width: 0; margin-right: 0.5rem; }
.state, #connection { font-size: 0.9rem; font-weight: 600; border: 1px solid var(--line); border-radius: 1rem;
  padding: 0.1rem 0.7rem; background: var(--paper); white-space: nowrap; }
#connection { display: inline-block; white-space: normal; margin: 0.75rem 0 0; }
.state::before, #connection::before { content: '●'; margin-right: 0.4rem; color: var(--quiet); }
.state[data-state='running']::before, #connection[data-state='live']::before { color: var(--good); }
.state[data-state='killed']::before, .state[data-state='interrupted']::before,
#connection[data-state='lost']::before, #connection[data-state='ended']::before { color: var(--bad); }
.problem { color: var(--bad); font-weight: 600; overflow-wrap: anywhere; }
.progress { color: var(--quiet); overflow-wrap: anywhere; }
progress { width: 100%; height: 0.6rem; accent-color: var(--first); }
code { font-size: 0.9em; }
`;

/** The hash of a style sheet or script, as a policy names it. */
export const hashes = { style: hashOf(liveStyle), script: hashOf(pageScript) };

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

export function livePage(board: Board): string {
  const parts = board.partsSince(-1);
  return `${pageHead('onespike, live', liveStyle)}
<header>
<h1>onespike, live</h1>
<p id="connection" role="status">As of the moment when this page was loaded.</p>
<p id="spoken" class="hidden" role="status"></p>
</header>
<main id="main" data-version="${board.version}" data-runs="${board.order.length - 1}">
${board.order.map((id) => parts[id]).join('\n')}
</main>
<footer>The numbers are those of metrics.jsonl, run.json and test.safetensors in the folders of the runs.</footer>
<script>${pageScript}</script>
</body>
</html>
`;
}
