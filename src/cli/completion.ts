import { Failure } from '../util/failure.ts'
import { bashCompletion } from './bash-completion.ts'
import type { Command, CommandGroup } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { commonOptions } from './options.ts'

/** `commands` are the program's, this one included. */
export function completionCommand(
  commands: () => CommandGroup['commands'],
): Command {
  return {
    name: 'completion',
    summary: 'print what makes a shell complete podfs',
    usage: ['completion bash'],
    examples: [
      { comment: 'in this shell', line: 'source <(podfs completion bash)' },
      {
        comment: 'in every shell, with the package bash-completion',
        line: 'podfs completion bash > ~/.local/share/bash-completion/completions/podfs',
      },
    ],
    options: { help: commonOptions.help },
    run: (context, options) => {
      const [shell, ...more] = options.positionals
      if (shell !== 'bash' || more.length > 0)
        throw new Failure('usage', 'completion is for one shell: bash', {
          fix: 'podfs completion bash',
        })
      context.stdout.raw(bashCompletion(commands()))
      return Promise.resolve(exitCodes.done)
    },
  }
}
