import { Failure } from '../../util/failure.ts'
import { dockerConfigJson } from './docker-config.ts'
import { NewSecret } from './new-object.ts'
import { objectCommand } from './object-command.ts'
import { addFiles } from './sources.ts'
import { stringSlice } from './string-slice.ts'

const key = '.dockerconfigjson'

export const createDockerRegistrySecretCommand = objectCommand({
  name: 'docker-registry',
  summary: 'print the manifest of a Secret for pulling images, or save it',
  usage: [
    'create secret docker-registry NAME --docker-username=USER --docker-password=PASSWORD [--docker-email=EMAIL] [--docker-server=SERVER]',
    'create secret docker-registry NAME --from-file=FILE',
  ],
  description: `Prints what 'kubectl create secret docker-registry NAME --dry-run=client -o yaml' prints.`,
  examples: [
    {
      comment: 'a user of a registry',
      line: 'podfs create secret docker-registry pull --docker-server=ghcr.io --docker-username=ann --docker-password=hunter2',
    },
    {
      comment: "docker's own file",
      line: 'podfs create secret docker-registry pull --from-file=$HOME/.docker/config.json',
    },
  ],
  options: {
    'docker-server': {
      value: 'SERVER',
      help: 'the registry (default https://index.docker.io/v1/)',
    },
    'docker-username': { value: 'USER', help: 'the user' },
    'docker-password': { value: 'PASSWORD', help: "the user's password" },
    'docker-email': { value: 'EMAIL', help: 'an address, for old registries' },
    'from-file': {
      value: 'FILE',
      repeatable: true,
      help: `a docker config.json; it gets the key ${key}`,
    },
  },
  make: async (identity, options, context) => {
    const secret = new NewSecret(identity, 'kubernetes.io/dockerconfigjson')
    const files = stringSlice('from-file', options.values('from-file'))
    if (files.length > 0) {
      await addFiles(
        secret,
        files.map(file => (file.includes('=') ? file : `${key}=${file}`)),
        context.cwd,
      )
      return secret
    }
    const server =
      options.value('docker-server') ?? 'https://index.docker.io/v1/'
    const username = options.value('docker-username')
    const password = options.value('docker-password')
    if (!server || !username || !password)
      throw new Failure(
        'usage',
        'either --from-file or the combination of --docker-username, --docker-password and --docker-server is required',
      )
    const email = options.value('docker-email') ?? ''
    secret.add(key, dockerConfigJson({ server, username, password, email }))
    return secret
  },
})
