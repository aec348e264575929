// Trained networks under names, with the cards that describe them: in the package, and fetched.
import { findModel, listModels } from './catalogue';
import { fetchModel } from './fetch';

export { CARD, cardOf, cardPage, readCard, type CardOptions, type ModelCard } from './card';
export { findModel, listModels, modelsFolder, packagedModel, type ListedModel } from './catalogue';
export { fetchModel, type FetchedModel, type FetchModelOptions } from './fetch';

/** The trained networks at hand. */
export const models = {
  /** Lists those of the package and those that were fetched. */
  list: listModels,
  /** Finds one by its name. */
  find: findModel,
  /** Downloads one and verifies it. */
  fetch: fetchModel,
};
