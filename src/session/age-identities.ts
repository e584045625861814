import path from 'node:path'
import type { SettingsFor } from '../config/settings.ts'
import { AgeIdentities } from '../sources/encryption/age-identities.ts'

/**
 * The keys for encrypted sources: the setting's, and those that sops finds (its age/keysource.go,
 * loadIdentities). A relative path is taken from `cwd`.
 */
export function ageIdentities(
  { ageKeyFile }: SettingsFor<'ageKeyFile'>,
  env: NodeJS.ProcessEnv,
  cwd: string,
): AgeIdentities {
  const text = env['SOPS_AGE_KEY']
  const home = env['HOME']
  const configuration =
    env['XDG_CONFIG_HOME'] || (home && path.join(home, '.config'))
  const files = [
    ageKeyFile,
    env['SOPS_AGE_KEY_FILE'],
    configuration && path.join(configuration, 'sops/age/keys.txt'),
  ]
  return new AgeIdentities([
    ...(text ? [{ name: '$SOPS_AGE_KEY', text }] : []),
    ...files
      .filter(file => file !== undefined)
      .filter(file => file !== '')
      .map(file => ({ file: path.resolve(cwd, file) })),
  ])
}
