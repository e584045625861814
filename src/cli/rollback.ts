import { text } from '../api/json.ts'
import { volumeCommand } from './look/volume-command.ts'

export const rollbackCommand = volumeCommand({
  name: 'rollback',
  summary: 'publish an older generation of a volume again',
  description: `With the same atomic swap as any change. The volume is then pinned: it shows that generation until
its ConfigMaps, Secrets or Pod have other data than now, or until podfs unpin. Tokens stay the newest.`,
  examples: [
    {
      comment: 'the configuration as it was in generation 3',
      line: 'podfs rollback web/config 3',
    },
  ],
  generation: 'required',
  act: async ({ client, url, title }, generation, { stdout }) => {
    const { message } = await client.post(url('rollback'), {
      apiVersion: 'podfs.io/v1',
      kind: 'VolumeRollback',
      generation: generation ?? 0,
    })
    stdout.line(`${title} ${text(message)}`)
  },
})
