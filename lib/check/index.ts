// The checks of values that come from outside: single arguments by `values`, whole objects and files by a schema
// (`schema`).
export * from './names';
export * from './values';
