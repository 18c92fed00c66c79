import java.nio.file.*;
import java.time.LocalDateTime;
import java.util.UUID;
import java.util.function.Predicate;
import org.neo4j.dbms.archive.*;
import org.neo4j.dbms.archive.backup.*;
import org.neo4j.io.fs.DefaultFileSystemAbstraction;
import org.neo4j.kernel.database.DatabaseIdFactory;
import org.neo4j.storageengine.api.StoreId;

/**
 * Writes .backup files with the classes that Neo4j Community has for reading
 * and writing them. DATA is the data folder of a stopped Neo4j 2026.09 with the
 * database neo4j, OUT an empty folder.
 *
 *   java -cp 'HOME/lib/*' WriteBackups.java DATA OUT
 *
 * For 5.26, ARCHIVE is the other of the two lines that are marked so.
 */
public class WriteBackups {
    public static void main(String[] args) throws Exception {
        Path store = Path.of(args[0], "databases", "neo4j"), logs = Path.of(args[0], "transactions", "neo4j");
        for (BackupCompressionFormat format : BackupFormatSelector.availableFormats()) {
            String name = format.getClass().getSimpleName();
            boolean zstd = name.contains("Zstd");
            String magic = (zstd ? "BZV" : "BTV") + name.charAt(name.length() - 1);
            // Without compression only the smallest files: this is test data.
            Predicate<Path> skip = path -> !zstd && path.toFile().isFile() && path.toFile().length() > 1024;
            write(format, store, logs, skip, Path.of(args[1], magic + "-full.backup"), describe(zstd, true, 1, 4, "2026-11-20T03:00:00"));
            write(format, logs, logs, skip, Path.of(args[1], magic + "-diff.backup"), describe(zstd, false, 5, 9, "2026-11-20T04:00:00"));
        }
    }

    static BackupDescription describe(boolean compressed, boolean full, long lowest, long highest, String time) {
        StoreId store = new StoreId(1732000000123L, -8765432109876543210L, "record", "aligned", 1, 1);
        var d = new BackupDescription("neo4j", store, DatabaseIdFactory.from(UUID.fromString("6f1de29c-9b0f-4c3a-8a5e-2f4f3c1b7d90")),
            LocalDateTime.parse(time), full, compressed, full, lowest, highest);
        return full ? d.withMetadataScript("CREATE ROLE `reader` IF NOT EXISTS;\n") : d;
    }

    static void write(BackupCompressionFormat format, Path first, Path second, Predicate<Path> skip, Path to, BackupDescription d) throws Exception {
        format.setMetadata(d);
        try (var fs = new DefaultFileSystemAbstraction()) {
            // Without a progress printer, 5.26 announces no files and no bytes.
            Dumper dumper = d.isFull() ? new Dumper(fs, System.out) : new Dumper(fs);
            dumper.dump(Dumper.FileOutput.of(fs, to), format, Dumper.collectManifest(first, second, skip)); // ARCHIVE, 2026.09
            // dumper.dump(first, second, dumper.openForDump(to), format, skip); // ARCHIVE, 5.26
        }
    }
}
