export { makeShared as default } from './made-once';
