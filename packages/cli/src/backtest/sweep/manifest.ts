/** A Kubernetes Job from the same spec: an indexed job whose pods each run one shard into one shared volume. Pure. */

export interface ManifestOptions {
  readonly name: string;
  readonly image: string;
  readonly shards: number;
  /** Claim of a volume all pods may write, which holds the spec, the tapes and the results. */
  readonly claim: string;
  /** Path of the spec in that volume. */
  readonly spec: string;
  readonly cpu: string;
  readonly memory: string;
}

const NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** The manifest as a value; JSON is YAML. Errors name the field. */
export function jobManifest(options: ManifestOptions) {
  const { name, image, shards, claim, spec, cpu, memory } = options;
  for (const [field, text] of Object.entries({ name, claim })) {
    if (!NAME.test(text)) {
      throw new RangeError(
        `${field} ${JSON.stringify(text)}: want lower-case letters, digits, dashes`,
      );
    }
  }
  if (!(Number.isSafeInteger(shards) && shards >= 1 && shards <= 10_000)) {
    throw new RangeError(`shards ${shards}: want 1 to 10000`);
  }
  const out = `/sweep/${name}`;
  const command = `exec ./hft backtest sweep "$SPEC" --out ${out} --workers 1 --shard "$JOB_COMPLETION_INDEX/${shards}" --json`;
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, labels: { "app.kubernetes.io/name": "tidegate-sweep" } },
    spec: {
      completionMode: "Indexed",
      completions: shards,
      parallelism: shards,
      // A pod that is taken away runs again, and finds what was done.
      backoffLimitPerIndex: 3,
      template: {
        metadata: { labels: { "app.kubernetes.io/name": "tidegate-sweep" } },
        spec: {
          restartPolicy: "Never",
          automountServiceAccountToken: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 10_001,
            fsGroup: 10_001,
            seccompProfile: { type: "RuntimeDefault" },
          },
          containers: [
            {
              name: "shard",
              image,
              command: ["/bin/sh", "-c", command],
              env: [{ name: "SPEC", value: `/sweep/${spec}` }],
              resources: { requests: { cpu, memory }, limits: { cpu, memory } },
              securityContext: {
                allowPrivilegeEscalation: false,
                capabilities: { drop: ["ALL"] },
              },
              volumeMounts: [{ name: "sweep", mountPath: "/sweep" }],
            },
          ],
          volumes: [{ name: "sweep", persistentVolumeClaim: { claimName: claim } }],
        },
      },
    },
  };
}
