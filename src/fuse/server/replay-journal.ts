import { Dispatcher, type JournalSink } from './dispatch.ts'
import type { JournalContents } from './journal.ts'
import type { ServerState } from './snapshot.ts'

const noJournal: JournalSink = {
  append: () => undefined,
  appendDrop: () => undefined,
  reload: () => {
    throw new Error('replay does not reload')
  },
}

/** The state that a journal describes: its snapshot, and every recorded change done again. */
export function replayJournal({
  state,
  records,
}: JournalContents): ServerState {
  const dispatcher = new Dispatcher(
    state,
    {
      answerOpens: false,
      isDaemonThread: () => false,
      isStopping: () => false,
      now: () => ({ sec: 0, nsec: 0 }),
      log: () => undefined,
    },
    noJournal,
  )
  for (const record of records) {
    if (record.kind === 'drop') dispatcher.replayDrop(record.nodeId)
    else dispatcher.replay(record.time, record.request, record.reply)
  }
  return dispatcher.state
}
