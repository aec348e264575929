// CIFAR-100: 60,000 colour photographs of 32x32 in a hundred classes.
import { cifarSet } from '../formats/cifar/cifar';
import type { CifarLayout } from '../formats/cifar/layout';
import { cifarHomepage, cifarLicence, cifarRecipe, krizhevsky } from './cifar10';
import type { DataSource } from './source';

/** The fine labels, in their order. */
const classes = `
  apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
  castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
  elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
  man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
  pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
  skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
  tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
`
  .trim()
  .split(/\s+/);

const layout: CifarLayout = {
  name: 'cifar100',
  binary: {
    folder: 'cifar-100-binary',
    archive: 'cifar-100-binary.tar.gz',
    train: ['train.bin'],
    test: ['test.bin'],
  },
  python: { folder: 'cifar-100-python', archive: 'cifar-100-python.tar.gz', train: ['train'], test: ['test'] },
  trainRecords: 50_000,
  testRecords: 10_000,
  labelBytes: 2,
  labelKey: 'fine_labels',
  classes,
};

export const cifar100: DataSource = {
  info: {
    title: 'CIFAR-100, colour photographs in a hundred classes (fine labels)',
    homepage: cifarHomepage,
    licence: cifarLicence,
    citation: krizhevsky,
    shape: [3, 32, 32],
    classes,
    counts: { train: 50_000, test: 10_000 },
  },
  kind: 'public',
  download: {
    urls: ['https://www.cs.toronto.edu/~kriz/'],
    files: [{ name: layout.binary.archive, md5: '03b5dce01913d631647c71ecec9e9cb8', size: 168_513_733 }],
  },
  ...cifarSet(layout),
  recipe: cifarRecipe,
};
