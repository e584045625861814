/** To a process, or with a negative number to a group; nothing where it has just ended. */
export function sendSignal(pid: number, signal: NodeJS.Signals | number): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Who asks cannot know sooner.
  }
}
