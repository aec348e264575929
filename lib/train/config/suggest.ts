/** The end of an error message about an unknown name. */
import { suggest } from '../../check';

/** ` Did you mean 'x'?`, or what is known if no candidate is near. */
export function suggestion(name: string, candidates: readonly string[]): string {
  const near = suggest(name, candidates);
  if (near !== undefined) return ` Did you mean '${near}'?`;
  return candidates.length > 0 ? ` Known: ${candidates.join(', ')}.` : '';
}
