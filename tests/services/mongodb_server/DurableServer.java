import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import java.util.Set;
import org.h2.mvstore.MVStore;

/**
 * mongo-java-server as a database that keeps its promises: what it acknowledged is in its file, so
 * that kill -9 loses nothing, and no command sees half of another. Started with a port and a file.
 */
final class DurableServer extends H2Backend {
    private static final Set<String> READS = Set.of(
        "hello", "ismaster", "isMaster", "ping", "find", "getMore", "killCursors", "count",
        "aggregate", "distinct", "listIndexes", "listCollections", "buildInfo", "endSessions");

    /** The least that today's drivers talk to; the library itself stops just below. */
    private static final class Version implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0);
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    }

    private DurableServer(MVStore file) {
        super(file);
    }

    @Override
    public Document handleMessage(MongoMessage message) {
        String command = message.getDocument().keySet().iterator().next();
        synchronized (this) {
            try {
                // A copy, for the answer is encoded later, when the next command may have changed it.
                return super.handleMessage(message).cloneDeeply();
            } finally {
                if (!READS.contains(command)) {
                    commit();
                }
            }
        }
    }

    public static void main(String[] arguments) {
        MVStore file = new MVStore.Builder().fileName(arguments[1]).autoCommitDisabled().open();
        DurableServer backend = new DurableServer(file);
        backend.version(new Version());
        MongoServer server = new MongoServer(backend);
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
    }
}
