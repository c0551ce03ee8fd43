import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const path = `${join(root, ".tools/bin")}${delimiter}${process.env["PATH"]}`;
const env = { ...process.env, PATH: path };
const SERVICES = [
  "execution-router",
  "gateway",
  "market-data",
  "monitor",
  "recorder",
  "strategy-runner",
  "venue-sim",
  "wal-loader",
];

function has(tool: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${tool}`], { env }).status === 0;
}

function run(file: string, args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: root, env, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

/** The service's own word on a settings file: what `--explain` says of it. */
function explain(service: string, file: string): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "services", service, "src/main.ts"), "--explain"],
    {
      cwd: root,
      encoding: "utf8",
      env: {
        PATH: process.env["PATH"] ?? "",
        NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? "",
        TIDEGATE_CONFIG: file,
      },
    },
  );
  return { status, output: stdout + stderr };
}

describe("ends: settings", () => {
  it("there is one base settings file a service", () => {
    expect(readdirSync(join(root, "config/base")).sort()).toEqual(
      SERVICES.map((name) => `${name}.json`),
    );
  });

  it.each(SERVICES)(
    "%s takes config/base and says where each setting is from [A02 B105]",
    (service) => {
      const file = join(root, "config/base", `${service}.json`);
      const { status, output } = explain(service, file);
      expect(output).toContain("httpPort");
      expect(output).toContain(file);
      expect(status).toBe(0);
    },
  );

  it.each(SERVICES)("%s refuses an unknown key by name with exit 2 [A02 B105]", (service) => {
    const folder = mkdtempSync(join(tmpdir(), "ends-"));
    try {
      const file = join(folder, "bad.json");
      writeFileSync(file, JSON.stringify({ htpPort: 1 }));
      const { status, output } = explain(service, file);
      expect(output).toContain("htpPort");
      expect(status).toBe(2);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(!has("docker-compose"))("ends: docker-compose.yml (needs docker-compose)", () => {
  it("is accepted", () => {
    expect(run("docker-compose", ["config", "-q"])).toEqual({ status: 0, output: "" });
  });

  it("runs every service with a settings file that exists", () => {
    const { output } = run("docker-compose", ["config"]);
    for (const service of SERVICES) {
      expect(output).toContain(`/opt/tidegate/services/${service}/src/main.ts`);
      expect(output).toContain(`TIDEGATE_CONFIG: /etc/tidegate/${service}.json`);
    }
  });

  it("would not accept a misspelt key", () => {
    const folder = mkdtempSync(join(tmpdir(), "ends-"));
    try {
      const text = readFileSync(join(root, "docker-compose.yml"), "utf8").replace(
        "depends_on:",
        "dependson:",
      );
      writeFileSync(join(folder, "docker-compose.yml"), text);
      expect(
        run("docker-compose", ["-f", join(folder, "docker-compose.yml"), "config", "-q"]).status,
      ).not.toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(!has("systemd-analyze"))("ends: systemd units (needs systemd-analyze)", () => {
  it("there is one unit a service", () => {
    const units = readdirSync(join(root, "deploy/systemd")).filter((name) =>
      name.endsWith(".service"),
    );
    expect(units.sort()).toEqual(SERVICES.map((name) => `tidegate-${name}.service`).sort());
  });

  it.each(SERVICES)("tidegate-%s.service is accepted without a word", (service) => {
    const unit = join(root, "deploy/systemd", `tidegate-${service}.service`);
    expect(run("systemd-analyze", ["verify", unit])).toEqual({ status: 0, output: "" });
    expect(existsSync(join(root, "services", service, "src/main.ts"))).toBe(true);
  });

  it.each(SERVICES)("tidegate-%s.service is hardened (exposure at most 1.6)", (service) => {
    const unit = join(root, "deploy/systemd", `tidegate-${service}.service`);
    const { status, output } = run("systemd-analyze", [
      "security",
      "--offline=yes",
      "--threshold=16",
      "--no-pager",
      unit,
    ]);
    expect(output).toContain("Overall exposure level");
    expect(status).toBe(0);
  });

  it("an unhardened unit would fail that bound", () => {
    const folder = mkdtempSync(join(tmpdir(), "ends-"));
    try {
      const unit = join(folder, "plain.service");
      writeFileSync(unit, "[Service]\nExecStart=/usr/bin/env true\n");
      expect(
        run("systemd-analyze", ["security", "--offline=yes", "--threshold=16", unit]).status,
      ).not.toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(!has("helm"))("ends: Helm chart (needs helm)", () => {
  const chart = "deploy/k8s/tidegate";

  it("renders the non-latency services, each unprivileged", () => {
    const rendered = execFileSync(
      "helm",
      ["template", "t", chart, "--set", "venueSim.enabled=true"],
      {
        cwd: root,
        env,
        encoding: "utf8",
      },
    );
    for (const name of ["recorder", "wal-loader", "monitor", "venue-sim"]) {
      expect(rendered).toContain(`/opt/tidegate/services/${name}/src/main.ts`);
    }
    const pods = rendered
      .split("\n---\n")
      .filter((each) => /kind: (DaemonSet|Deployment)/.test(each));
    expect(pods).toHaveLength(4);
    for (const pod of pods) {
      expect(pod).toContain("runAsNonRoot: true");
      expect(pod).toContain("readOnlyRootFilesystem: true");
      expect(pod).toContain("automountServiceAccountToken: false");
    }
  });

  it("its settings are ones the services take [B105]", () => {
    const rendered = execFileSync(
      "helm",
      ["template", "t", chart, "-s", "templates/configmap.yaml"],
      {
        cwd: root,
        env,
        encoding: "utf8",
      },
    );
    const folder = mkdtempSync(join(tmpdir(), "ends-"));
    try {
      const files = [...rendered.matchAll(/^ {2}([a-z-]+)\.json: \|\n {4}(.*)$/gm)];
      expect(files.map(([, name]) => name)).toEqual(["recorder", "wal-loader", "monitor"]);
      for (const [, name = "", text = ""] of files) {
        const file = join(folder, `${name}.json`);
        writeFileSync(file, text);
        expect(explain(name, file).status).toBe(0);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("refuses a value its schema does not know", () => {
    expect(
      run("helm", ["template", "t", chart, "--set", "services.gateway.enabled=true"]).status,
    ).not.toBe(0);
    expect(
      run("helm", ["template", "t", chart, "--set", "image.pullPolicy=Sometimes"]).status,
    ).not.toBe(0);
  });
});
