// The sections of a page about one run, in order.
import type { RunData } from '../data/run-data';
import type { Section } from '../figure';
import { aboutSection } from './about';
import { classesSection } from './classes';
import { curvesSection } from './curves';
import { energySection } from './energy';
import { examplesSection } from './examples';
import { layersSection } from './layers';

export function sectionsOf(data: RunData): Section[] {
  return [
    curvesSection(data),
    layersSection(data),
    classesSection(data),
    energySection(data),
    examplesSection(data),
    aboutSection(data),
  ];
}
