export { removeShared as default } from './made-once';
