import path from 'node:path'
import { isMistake, type Finding } from '../api/report.ts'
import type { SettingsFor } from '../config/settings.ts'
import type { AgeIdentities } from '../sources/encryption/age-identities.ts'
import type { ManifestFilesOptions } from '../sources/manifests/manifest-files.ts'
import type { Rendering } from '../sources/rendered/rendering.ts'
import { together, type Source } from '../sources/source.ts'
import type { Store } from '../store/store.ts'
import { publishKeySet } from '../tokens/key-set.ts'
import { rootCertificate } from '../tokens/root-certificate.ts'
import { loadSigningKey } from '../tokens/signing-key.ts'
import { TokenIssuer } from '../tokens/token-issuer.ts'
import { TokenManager } from '../tokens/token-manager.ts'
import type { Clock } from '../util/clock.ts'
import { nearest } from '../util/edit-distance.ts'
import { Failure } from '../util/failure.ts'
import type { Logger } from '../util/logger.ts'
import { manifestsAndRenderings } from './manifests-and-renderings.ts'
import type { Places } from './places.ts'

/** The settings that matter to every session. */
export type SessionSetting =
  | 'allowedUnsafeSysctls'
  | 'backend'
  | 'backoffScale'
  | 'clusterDomain'
  | 'cni.binDirs'
  | 'cni.confDir'
  | 'containerLogMaxFiles'
  | 'containerLogMaxSize'
  | 'fuse.answerOpens'
  | 'hostDirectories'
  | 'images'
  | 'logStorage'
  | 'network'
  | 'node.labels'
  | 'node.taints'
  | 'privileged'
  | 'serviceAccountIssuer'
  | 'serviceSubnet'

/** What every session needs, whichever command began it. */
export interface SessionOptions {
  readonly settings: SettingsFor<SessionSetting>
  readonly places: Places
  readonly clock: Clock
  readonly logger: Logger
  /** Tells the person of one mistake, or of one field that podfs does not act on. */
  readonly report: (finding: Finding) => void
  /** Tells the person that a file or directory with mistakes has none any more. */
  readonly onMended: (path: string) => void
  /** Manifest files and directories, `-` for standard input. */
  readonly paths: readonly string[]
  /** Kustomizations and Helm charts. */
  readonly renderings: readonly Rendering[]
  readonly namespace: string
  /** The keys for encrypted sources. */
  readonly identities: AgeIdentities
}

/** What a session reads, and who hears of mistakes in it. */
export type InputOptions = Pick<
  SessionOptions,
  | 'clock'
  | 'report'
  | 'onMended'
  | 'paths'
  | 'renderings'
  | 'namespace'
  | 'identities'
>

/** All that is named at the command line, as one source. */
export function inputSource(
  input: Pick<SessionOptions, 'paths' | 'renderings'>,
  given: Omit<ManifestFilesOptions, 'paths'>,
): Source {
  const { manifests, rendered } = manifestsAndRenderings(input, given)
  return together([manifests, rendered])
}

/** The files and renderings that fill the store. Throws a Failure when the first read finds a mistake. */
export async function readManifests(
  options: InputOptions,
  store: Store,
  watchFrom?: Promise<unknown>,
): Promise<Source> {
  let mistakes = 0
  let started = false
  const { clock, namespace, identities, onMended } = options
  const source = inputSource(options, {
    store,
    clock,
    namespace,
    identities,
    onMended,
    watch: true,
    watchFrom,
    report: finding => {
      if (!started && isMistake(finding)) mistakes++
      options.report(finding)
    },
  })
  await source.start()
  started = true
  if (mistakes === 0) return source
  await source.close()
  throw new Failure(
    'failed',
    `${mistakes === 1 ? 'a mistake' : `${mistakes} mistakes`} in the input; nothing was started`,
  )
}

/** A Failure for something that was named and is not there; `message` says so. */
export function noSuch(
  message: string,
  name: string,
  existing: readonly string[],
): Failure {
  const meant = nearest(name, existing)
  if (meant !== undefined)
    return new Failure('usage', message, { fix: `did you mean ${meant}?` })
  if (existing.length === 0) return new Failure('usage', message)
  return new Failure('usage', message, {
    fix: `there ${existing.length === 1 ? 'is' : 'are'}: ${existing.join(', ')}`,
  })
}

export interface ServiceAccounts {
  readonly issuer: () => Promise<TokenIssuer>
  readonly tokens: () => Promise<TokenManager>
  readonly rootCertificate: () => Promise<string>
}

/** What hangs on the signing key; made when it is first asked for, and only once. */
export function lazyServiceAccounts(
  options: Pick<SessionOptions, 'places' | 'settings' | 'clock' | 'logger'>,
): ServiceAccounts {
  const { places, settings, clock, logger } = options
  const key = once(() =>
    loadSigningKey(path.join(places.state, 'service-account-key.pem')),
  )
  const issuer = once(async () => {
    await publishKeySet(
      await key(),
      path.join(places.state, 'service-account-keys.json'),
    )
    return new TokenIssuer(await key(), settings.serviceAccountIssuer)
  })
  return {
    issuer,
    tokens: once(
      async () =>
        new TokenManager(await issuer(), clock, {
          onFailure: error => logger.error({ err: error }, 'token not renewed'),
        }),
    ),
    rootCertificate: once(async () => rootCertificate(await key())),
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
