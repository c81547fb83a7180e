"""The bus carries messages from the outbox to consumer groups: one small port, one module for each adapter."""
