// Images that a program hands to `train`: they have a name in configurations, and no files.
import { OneSpikeError } from '../../errors';
import { nothingToDownload, ownPictures, recipeOfOwn, type DataSource } from './source';

export const program: DataSource = {
  info: ownPictures('Images that a program hands over'),
  kind: 'program',
  download: nothingToDownload,
  options: ['trainCount', 'testCount'],
  locate: async () => ({ paths: [], present: false }),
  load: async () => {
    throw new OneSpikeError(
      'ERR_ARG',
      'Expected the images of the data set program from the program itself (dataset: { train, test }, of train, resume and ' +
        'Run.dataset) but received none',
    );
  },
  // What images they are is not known: nothing is turned round, and the network is that of a folder of pictures.
  recipe: { model: recipeOfOwn.model, ann: { epochs: 30 }, snn: { epochs: 20 } },
};
