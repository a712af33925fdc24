# Attune's server, for a PostgreSQL that DATABASE_URL names. How to run it: docs/how-to/run-in-containers.md.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Node is the image's, and PostgreSQL is elsewhere: what packages bring of either is left out.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=5678
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json schema.reasons.json ./
COPY definitions ./definitions
COPY migrations ./migrations
COPY src ./src
USER node
EXPOSE 5678
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/api/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node itself, so that SIGTERM reaches it: then requests under way end, for DRAIN_TIMEOUT seconds at most.
ENTRYPOINT ["node", "src/cli.ts"]
CMD ["start"]
