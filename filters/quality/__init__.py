"""Document filters: each module has one score; registry names them, scope says where they act."""
