// TypeScript goes through swc, which only strips types: `npm test` runs the type checker as a check of its own.
const os = require('node:os');

module.exports = {
  // Each test file may start as many native threads as there are cores: more workers than this gain nothing.
  maxWorkers: Math.min(4, os.availableParallelism()),
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/build', '<rootDir>/dist'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  globalSetup: '<rootDir>/test/helpers/jest/global-setup.ts',
  globalTeardown: '<rootDir>/test/helpers/jest/global-teardown.ts',
  testSequencer: '<rootDir>/test/helpers/jest/longest-first.js',
  testTimeout: 60_000,
};
