// The suite's own configuration wants the whole of its developers' tools; this one needs a transformer only.
module.exports = {
  rootDir: process.env.SUITE,
  testEnvironment: "node",
  testMatch: ["<rootDir>/tests/api-resources/**/*.test.ts"],
  transform: {
    "^.+\\.(t|j)sx?$": [
      require.resolve("@swc/jest"),
      { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "commonjs" } },
    ],
  },
  moduleNameMapper: { "^openai$": "<rootDir>/src/index.ts", "^openai/(.*)$": "<rootDir>/src/$1" },
};
