import { text } from '../api/json.ts'
import { volumeCommand } from './look/volume-command.ts'

export const unpinCommand = volumeCommand({
  name: 'unpin',
  summary: 'end a rollback: publish what the sources of a volume say',
  description: 'Does nothing when the volume is not pinned.',
  examples: [
    {
      comment: 'back to what the files say',
      line: 'podfs unpin web/config',
    },
  ],
  generation: 'none',
  act: async ({ client, url, title }, _, { stdout }) => {
    const { message } = await client.post(url('unpin'), {})
    stdout.line(`${title} ${text(message)}`)
  },
})
