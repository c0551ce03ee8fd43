// Imports go downward only: contracts → bus and service-kit → venues and storage → services → cli.
const layers = [
  ["rust-core", "^packages/rust-core/"],
  ["contracts", "^packages/contracts/"],
  ["kits", "^packages/(bus|service-kit|strategy-sdk|research)/"],
  ["adapters", "^packages/(venues|storage)/"],
  ["services", "^(services|strategies)/"],
  ["cli", "^packages/cli/"],
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, dependencyTypesNot: ["type-only"] },
    },
    { name: "no-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    ...layers.slice(0, -1).map(([name], index) => ({
      name: `${name}-imports-nothing-above`,
      severity: "error",
      from: { path: layers[index][1] },
      to: { path: layers.slice(index + 1).map(([, path]) => path) },
    })),
    {
      name: "services-know-no-other-service",
      comment:
        "A service reaches another by messages; only a reader of its published log may be imported.",
      severity: "error",
      from: { path: "^services/([^/]+)/" },
      to: { path: "^services/", pathNot: "^services/$1/" },
    },
    {
      name: "strategies-know-only-the-sdk",
      severity: "error",
      from: { path: "^strategies/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(packages|services)/", pathNot: "^packages/strategy-sdk/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(src/gen/|/target/|fixtures/)" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types"],
      extensions: [".ts", ".js", ".cjs", ".json"],
    },
  },
};
