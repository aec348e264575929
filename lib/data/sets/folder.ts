// Pictures of one's own in one folder per class: DIR/train/CLASS/* and DIR/test/CLASS/*, or DIR/CLASS/* split here.
import { loadFound } from '../formats/folders/load';
import { findPictures } from '../formats/folders/parts';
import { locatedBy, nothingToDownload, ownPictures, recipeOfOwn, type DataSource } from './source';

export const folder: DataSource = {
  info: ownPictures('Pictures of your own: DIR/train/CLASS and DIR/test/CLASS, or DIR/CLASS'),
  kind: 'own',
  download: nothingToDownload,
  options: [
    'directory',
    'seed',
    'trainCount',
    'testCount',
    'size',
    'testShare',
    'skipUnreadable',
    'mixedSizes',
    'exclude',
  ],
  locate: (directory) =>
    locatedBy(async () => {
      const { classes, items } = await findPictures(directory, {});
      const { train, test, validation } = items;
      return { paths: [], classes, counts: { train: train.length + validation.length, test: test.length } };
    }),
  load: async (directory, options, keep) => loadFound(directory, await findPictures(directory, options), options, keep),
  recipe: recipeOfOwn,
};
