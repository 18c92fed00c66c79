// Package bolt asks Neo4j servers over their Bolt protocol.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"
	"github.com/neo4j/neo4j-go-driver/v5/neo4j/config"
)

// The reasons why a database does not answer.
var (
	ErrAuth       = errors.New("the server refused the user or the password")
	ErrNoDatabase = errors.New("the server does not serve the database")
	ErrFailed     = errors.New("the server could not start the database")
	// ErrUnavailable: it is not open, or not yet.
	ErrUnavailable = errors.New("the database is not available")
)

// patience bounds a connection attempt.
const patience = 5 * time.Second

// Server is a connection to one server, which is never routed to another.
type Server struct {
	driver neo4j.DriverWithContext
}

// Address says where a server is, and who asks.
type Address struct {
	At             string // HOST:PORT of this machine
	TLS            bool   // with whatever certificate: it does not leave the machine
	User, Password string // no user: nobody has to log in
}

// Open makes a connection to a server; none is tried yet. The caller closes it.
func Open(a Address) (*Server, error) {
	auth := neo4j.NoAuth()
	if a.User != "" {
		auth = neo4j.BasicAuth(a.User, a.Password, "")
	}
	// With neo4j:// the driver would ask the server which server to use.
	target := url.URL{Scheme: "bolt", Host: a.At}
	if a.TLS {
		target.Scheme = "bolt+ssc"
	}
	driver, err := neo4j.NewDriverWithContext(target.String(), auth, func(c *config.Config) {
		c.SocketConnectTimeout = patience
		c.ConnectionAcquisitionTimeout = patience
		c.MaxConnectionPoolSize = 4
		c.TelemetryDisabled = true
		c.UserAgent = "snapferry"
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a.At, err)
	}
	return &Server{driver: driver}, nil
}

// Close ends the connections.
func (s *Server) Close(ctx context.Context) error { return s.driver.Close(ctx) }

// Read runs a statement that only reads and returns its rows, each as its
// values in order. Most versions refuse one that writes; what it writes is
// rolled back in any case. database may be empty: then it is the default one.
func (s *Server) Read(ctx context.Context, database, cypher string, params map[string]any) ([][]any, error) {
	return s.run(ctx, database, neo4j.AccessModeRead, func(session neo4j.SessionWithContext) ([][]any, error) {
		tx, err := session.BeginTransaction(ctx)
		if err != nil {
			return nil, err
		}
		result, err := tx.Run(ctx, cypher, params)
		if err != nil {
			return nil, errors.Join(err, tx.Close(ctx))
		}
		all, err := rows(ctx, result)
		return all, errors.Join(err, tx.Close(ctx)) // which rolls back
	})
}

// Execute runs a statement that changes something, once.
func (s *Server) Execute(ctx context.Context, database, cypher string, params map[string]any) ([][]any, error) {
	return s.run(ctx, database, neo4j.AccessModeWrite, func(session neo4j.SessionWithContext) ([][]any, error) {
		result, err := session.Run(ctx, cypher, params)
		if err != nil {
			return nil, err
		}
		return rows(ctx, result)
	})
}

func (s *Server) run(ctx context.Context, database string, mode neo4j.AccessMode, work func(neo4j.SessionWithContext) ([][]any, error)) (_ [][]any, err error) {
	session := s.driver.NewSession(ctx, neo4j.SessionConfig{DatabaseName: database, AccessMode: mode})
	defer func() { err = errors.Join(err, session.Close(ctx)) }()
	answer, err := work(session)
	if err != nil {
		return nil, explain(err)
	}
	return answer, nil
}

// maxRows bounds an answer: what people ask in a check has few.
const maxRows = 10_000

func rows(ctx context.Context, result neo4j.ResultWithContext) ([][]any, error) {
	all := [][]any{}
	for result.Next(ctx) {
		if len(all) == maxRows {
			return nil, fmt.Errorf("the answer has more than %d rows", maxRows)
		}
		all = append(all, slices.Clone(result.Record().Values))
	}
	return all, result.Err()
}

func explain(err error) error {
	e, ok := errors.AsType[*neo4j.Neo4jError](err)
	if !ok {
		return err
	}
	switch e.Code {
	case "Neo.ClientError.Security.Unauthorized", "Neo.ClientError.Security.AuthenticationRateLimit", "Neo.ClientError.Security.CredentialsExpired":
		return fmt.Errorf("%w: %s", ErrAuth, e.Msg)
	case "Neo.ClientError.Database.DatabaseNotFound":
		return fmt.Errorf("%w: %s", ErrNoDatabase, e.Msg)
	}
	if strings.HasSuffix(e.Code, ".DatabaseUnavailable") {
		return fmt.Errorf("%w: %s", ErrUnavailable, e.Msg)
	}
	return err
}
