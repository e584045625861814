import type { CommandGroup } from './command.ts'
import { createConfigMapCommand } from './create/create-config-map.ts'
import { createDockerRegistrySecretCommand } from './create/create-docker-registry-secret.ts'
import { createGenericSecretCommand } from './create/create-generic-secret.ts'
import { createTlsSecretCommand } from './create/create-tls-secret.ts'

export const createCommand: CommandGroup = {
  name: 'create',
  summary: 'print the manifest of a Secret or ConfigMap, or save it',
  commands: [
    createConfigMapCommand,
    {
      name: 'secret',
      summary: 'print the manifest of a Secret, or save it',
      commands: [
        createGenericSecretCommand,
        createTlsSecretCommand,
        createDockerRegistrySecretCommand,
      ],
    },
  ],
}
